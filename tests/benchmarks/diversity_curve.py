"""What variety and coverage cost in accuracy, and the weights a serving config should have.

    recsys-index dataset complete-journey --out DIR
    python tests/benchmarks/diversity_curve.py --data DIR

One build a split. Candidates are retrieved and scored once a user; every setting then reorders the same pools with the
policies that serve. The setting of a task is chosen on the validation windows alone: the most distinct items that were
hits where NDCG@10 falls by no more than ``--most-loss`` in any window; of settings whose count is within one standard
error of the highest (a Poisson count's, 1 / √n), the one with the most variety within lists. Only this setting is then
shown the test window, beside the ranker's order and each source. Writes curve.json and curve.svg; the plot needs
matplotlib. Trees train faster beside other busy programs with OMP_WAIT_POLICY=PASSIVE.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from diversity.choice import choose
from diversity.plot import draw
from diversity.pools import Pools
from diversity.setting import Row, Setting, named
from diversity.window import Window
from threadpoolctl import threadpool_limits

from index.evaluation import TASKS
from index.rebuild_command import cache_folder, instant
from recsys.arrays import frozen
from recsys.ask import Ask
from recsys.evaluation.metrics import K, beyond_accuracy, per_user
from recsys.evaluation.truth import Truth
from recsys.serving import built_in

DIVERSITY = (0.0, 0.3, 0.6, 1.0, 1.5)
SPREAD = (0.0, 0.05, 0.1, 0.14, 0.18, 0.2, 0.22, 0.24, 0.26, 0.3, 0.4)
DAY_S = 86_400
N_RESAMPLES = 1000
N_SIMILAR = 400


def main(arguments: Sequence[str] | None = None) -> int:
    """0, curve.json and curve.svg."""
    options = _parser().parse_args(arguments)
    grid = [(d, s) for d in options.diversity for s in options.spread]
    validation: dict[str, Any] = {}
    similar: list[Row] = []
    for start in options.validate:
        window = Window.of(options, start, end=start + options.horizon_days * DAY_S)
        with threadpool_limits(1, "blas"):
            validation[_stamp(start)] = {task: _sweep(window, task, config, grid) for task, config in TASKS}
            similar = similar or _similar(window, options.diversity)
    chosen = {task: choose([tasks[task] for tasks in validation.values()], options.most_loss) for task, _ in TASKS}
    figures: dict[str, Any] = {"chosen": {task: named(setting) for task, setting in chosen.items()}}
    for task, config in TASKS:
        now = (built_in()[config].diversity, built_in()[config].spread)
        print(f"{task}: chosen {named(chosen[task])}; serving config {config} has {named(now)}")
    if options.test is not None:
        window = Window.of(options, options.test, end=None)
        with threadpool_limits(1, "blas"):
            test = {task: _tested(window, task, config, chosen[task]) for task, config in TASKS}
        figures["test"] = {_stamp(options.test): test}
    figures |= {"validation": validation, "similar": similar}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "curve.json").write_text(json.dumps(_plain(figures), indent=2) + "\n", encoding="utf-8")
    told = {name: _plain(figures[name]) for name in ("chosen", "test", "similar") if name in figures}
    print(json.dumps(told, indent=2))
    draw(validation, chosen, options.most_loss, options.out / "curve.svg")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else None, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with events, items and users")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a recsys.toml")
    parser.add_argument("--cache", type=Path, metavar="DIR", default=cache_folder(), help="embedding cache")
    splits = [instant("2017-11-06T05:00Z"), instant("2017-10-09T05:00Z")]
    parser.add_argument(
        "--validate", type=instant, nargs="+", metavar="ISO", default=splits, help="splits to choose on"
    )
    parser.add_argument("--horizon-days", type=int, default=28, metavar="N", help="length of a validation window")
    parser.add_argument("--test", type=instant, metavar="ISO", help="split to report the choice on, to the last event")
    parser.add_argument(
        "--diversity", type=float, nargs="+", metavar="W", default=DIVERSITY, help="0 must be among them"
    )
    parser.add_argument("--spread", type=float, nargs="+", metavar="W", default=SPREAD, help="0 must be among them")
    parser.add_argument("--most-loss", type=float, default=0.02, metavar="SHARE", help="of NDCG@10")
    parser.add_argument("--out", type=Path, default=Path("bench/diversity"), metavar="DIR")
    return parser


def _sweep(window: Window, task: str, config: str, grid: Sequence[Setting]) -> dict[str, Any]:
    """Every setting on one window, in the order of ``grid``."""
    pools = window.pools(task, config)
    rows = []
    for setting in grid:
        rows.append(named(setting) | window.row(task, pools.lists(setting)))
        print(f"{_stamp(window.start)} {task} " + " ".join(f"{k} {v:.4g}" for k, v in rows[-1].items()), flush=True)
    return {
        "n_users": len(window.truths[task]),
        "n_items": int(window.exposure.known.sum()),
        "settings": rows,
        "sources": window.sources(task, config),
    }


def _tested(window: Window, task: str, config: str, setting: Setting) -> dict[str, Any]:
    """The choice on the test window, with the interval of its change in NDCG@10 (paired bootstrap over users)."""
    pools = window.pools(task, config)
    truth, n_items = window.truths[task], len(window.exposure.known)
    off, on = pools.lists((0.0, 0.0)), pools.lists(setting)
    change = per_user(on, truth, n_items)[f"ndcg@{K}"] - per_user(off, truth, n_items)[f"ndcg@{K}"]
    rng = np.random.default_rng(0)
    means = [float(rng.choice(change, len(change)).mean()) for _ in range(N_RESAMPLES)]
    low, high = np.percentile(means, (2.5, 97.5))
    return {
        "n_users": len(truth),
        "ranker": window.row(task, off),
        "policies": window.row(task, on),
        "ndcg@10_change": {"mean": float(change.mean()), "low": float(low), "high": float(high)},
        "sources": window.sources(task, config),
        "added_ms": {str(limit): min(pools.milliseconds(setting, limit) for _ in range(3)) for limit in (10, 20, 100)},
    }


def _similar(window: Window, weights: Sequence[float]) -> list[Row]:
    """What diversity does to lists beside one item each of the most popular: variety, and fused score given up."""
    snapshot = window.snapshot
    asks = [
        Ask(at=window.start, context_item_ids=(item,))
        for item in snapshot.catalogue.items.ids(snapshot.model.popular.ranking[:N_SIMILAR])
    ]
    pools = Pools.of(snapshot, snapshot.configs["similar"], asks)
    texts = window.snapshot.model.context.texts
    nobody = Truth(frozen([], np.int32), frozen([0], np.int64), frozen([], np.int32))
    rows = []
    for weight in weights:
        lists = pools.lists((weight, 0.0))
        row = {"diversity": weight, **beyond_accuracy(lists, nobody, window.exposure)}
        kept = [
            slate.scores[np.isin(slate.items, list_)].sum() for slate, list_ in zip(pools.slates, lists, strict=True)
        ]
        best = [slate.scores[:K].sum() for slate in pools.slates]
        row["score_kept"] = float(np.sum(kept) / np.sum(best))
        if texts is not None:
            row["distinct_texts"] = float(
                np.mean([len(np.unique(texts.text_of[list_[list_ >= 0]])) for list_ in lists])
            )
        rows.append({name: value for name, value in row.items() if not name.startswith("hits")})
    return rows


def _plain(values: Any) -> Any:
    """``values`` as JSON can hold them: None for what could not be measured, five digits of the rest."""
    if isinstance(values, dict):
        return {name: _plain(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_plain(value) for value in values]
    if isinstance(values, float):
        return float(f"{values:.5g}") if np.isfinite(values) else None
    return values


def _stamp(start: int) -> str:
    return f"{np.datetime64(start, 's')}Z"


if __name__ == "__main__":
    sys.exit(main())
