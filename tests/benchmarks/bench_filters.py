"""Search under filters beside search without: a large index, random filters, recall against exact filtered search.

    python tests/benchmarks/bench_filters.py [--items N] [--queries N]

Items and queries lie near a plane of 16 dimensions, as embeddings do: in 64 independent ones nothing is near anything.
Processor time rather than waiting time, in turns, so that other work on the machine shows less. Exit code 1 when recall
is below .98, a page is not full, or the median takes more than three times as long as without a filter.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import thread_time

import numpy as np

from recsys.arrays import Bool, Float32
from recsys.vector_index import VectorIndex, exact_search

WIDTH, PLANE, K = 64, 16, 100
SHARES = (0.5, 0.01, 0.001)
LEAST_RECALL, MOST_TIMES = 0.98, 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """0 and a JSON file of figures; 1 when one of them is not good enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000, metavar="N", help="vectors (%(default)s)")
    parser.add_argument("--queries", type=int, default=100, metavar="N", help="searches a filter (%(default)s)")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES, metavar="SHARE", help="of items that pass")
    parser.add_argument("--json", type=Path, default=Path("bench/filters.json"), metavar="FILE")
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(0)
    vectors = vectors_of(options.items, rng)
    queries = vectors[rng.integers(options.items, size=options.queries + 64)]
    queries = queries + 0.05 * rng.normal(size=queries.shape).astype(np.float32)
    index = VectorIndex.build(vectors, sample=queries[options.queries :], seed=0, k=K)
    print(f"{options.items:,} items, {index.n_probe} cells a search, under masks {dict(index.masked or ())}")
    found = [measured(index, vectors, queries[: options.queries], share, rng) for share in options.shares]
    for row in found:
        print(
            f"{row['share']:7.2%} pass: recall {row['recall']:.3f}, {row['fullness']:.0%} of each page, "
            f"median {row['times']:.1f} times that without a filter"
        )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=2) + "\n")
    good = (row["recall"] >= LEAST_RECALL and row["fullness"] == 1 and row["times"] <= MOST_TIMES for row in found)
    return 0 if all(good) else 1


def vectors_of(n: int, rng: np.random.Generator) -> Float32:
    """Unit vectors (n, 64) near a plane of 16 dimensions."""
    plane = rng.normal(size=(PLANE, WIDTH)).astype(np.float32)
    vectors = rng.standard_normal((n, PLANE), np.float32) @ plane + 0.8 * rng.standard_normal((n, WIDTH), np.float32)
    unit: Float32 = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def measured(
    index: VectorIndex, vectors: Float32, queries: Float32, share: float, rng: np.random.Generator
) -> dict[str, float]:
    """Figures of one random filter that ``share`` of the items pass."""
    allowed = rng.random(len(vectors)) < share
    n_wanted = min(K, int(allowed.sum()))
    with_filter, without, recalls, sizes = [], [], [], []
    for query in (queries[0], *queries):  # the first one warms up
        rows, seconds = timed(index, query, allowed)
        with_filter.append(seconds)
        without.append(timed(index, query, None)[1])
        expected = exact_search(vectors, query, K, allowed)
        recalls.append(len(np.intersect1d(rows, expected)) / n_wanted)
        sizes.append(len(rows) / n_wanted)
    return {
        "share": share,
        "recall": float(np.mean(recalls[1:])),
        "fullness": float(np.min(sizes[1:])),
        "times": float(np.median(with_filter[1:]) / np.median(without[1:])),
        "median_ms": 1000 * float(np.median(with_filter[1:])),
    }


def timed(index: VectorIndex, query: Float32, allowed: Bool | None) -> tuple[Float32, float]:
    """The rows found, and processor time in seconds."""
    begun = thread_time()
    rows = index.search(query, K, allowed)[0]
    return rows, thread_time() - begun


if __name__ == "__main__":
    sys.exit(main())
