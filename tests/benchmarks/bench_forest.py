"""One forest scored by LightGBM and as machine code, in turns, on one thread: how much faster, and what it costs.

    python tests/benchmarks/bench_forest.py [--rows N]

Processor time rather than waiting time, so that other work on the machine shows less; read the ratio.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time, thread_time

import lightgbm as lgb
import numpy as np

from recsys.arrays import Float32
from recsys.compiled.cache import ForestCache
from recsys.compiled.compiler import compile_forest
from recsys.compiled.forest import require_equal
from recsys.compiled.toolchain import toolchain
from recsys.ranker import Forest

N_FEATURES, N_TREES, N_LEAVES, N_ROUNDS = 90, 250, 31, 400


def main() -> None:
    """Train, compile, load, prove equal, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300, help="candidates of one answer (%(default)s)")
    rows = random_rows(parser.parse_args().rows)
    forest = trained()
    with tempfile.TemporaryDirectory() as folder:
        cache = ForestCache(Path(folder, "forests"), toolchain())
        with cache.locked() as work:
            started = process_time()
            code = compile_forest(forest.text, N_FEATURES, work)
            compile_s = process_time() - started
            cache.put("forest", code, N_FEATURES, work)
        started = perf_counter()
        compiled = cache.load("forest", N_FEATURES)
        load_s = perf_counter() - started
    require_equal(compiled, forest)
    ours, theirs = p50s_in_turns(lambda: compiled.score(rows), lambda: forest.score(rows))
    print(
        f"{len(rows)} rows, {N_FEATURES} features, {N_TREES} trees of {N_LEAVES} leaves, one thread, p50 of {N_ROUNDS}"
    )
    print(
        f"LightGBM {theirs * 1e3:.3f} ms · compiled {ours * 1e3:.3f} ms · {theirs / ours:.1f} times faster, equal bits"
    )
    print(f"compiled in {compile_s:.1f} s to {len(code.code) / 1e3:.0f} kB · loaded in {load_s * 1e3:.1f} ms")


def p50s_in_turns(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Median processor seconds of each, called in turns."""
    times = np.empty((N_ROUNDS, 2))
    for round_times in times:
        for position, call in enumerate((one, other)):
            started = thread_time()
            call()
            round_times[position] = thread_time() - started
    first, second = np.median(times, axis=0)
    return float(first), float(second)


def random_rows(n_rows: int, seed: int = 0) -> Float32:
    """A fifth of the values is missing."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, N_FEATURES)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    return rows


def trained() -> Forest:
    """A forest as large as a ranker."""
    rows = random_rows(40_000, seed=1)
    labels = np.nan_to_num(rows[:, :12]).sum(axis=1) + np.random.default_rng(2).normal(size=len(rows)) > 1
    parameters = {"objective": "binary", "num_leaves": N_LEAVES, "max_bin": 127, "verbosity": -1, "num_threads": 1}
    return Forest(lgb.train(parameters, lgb.Dataset(rows, labels.astype(np.float32)), N_TREES))


if __name__ == "__main__":
    main()
