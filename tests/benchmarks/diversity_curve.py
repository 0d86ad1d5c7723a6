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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from index.build import build
from index.builder import Builder
from index.evaluation import TASKS, Cut, _exposure
from index.loading import load_for
from index.progress import Stages
from index.rebuild_command import cache_folder, instant
from index.scoring import CHUNK, lists_of_source
from recsys.arrays import Bool, Int32, frozen
from recsys.ask import Ask, resolve
from recsys.context import Context
from recsys.evaluation.metrics import Exposure, K, beyond_accuracy, per_user
from recsys.evaluation.truth import Truth
from recsys.model import Snapshot
from recsys.policies.chain import policies_of, select
from recsys.policies.pool import POOL
from recsys.query import Query, Recommendation, Slate
from recsys.serving import ServingConfig, built_in

DIVERSITY = (0.0, 0.3, 0.6, 1.0, 1.5)
SPREAD = (0.0, 0.05, 0.1, 0.14, 0.18, 0.2, 0.22, 0.24, 0.26, 0.3, 0.4)
DAY_S = 86_400
N_RESAMPLES = 1000
N_SIMILAR = 400
NO_ITEMS: Bool = frozen([], np.bool_)
Row = dict[str, float]
Setting = tuple[float, float]  # diversity, spread


@dataclass(frozen=True, slots=True)
class Pools:
    """The ranker's best of each query of a task, before any policy."""

    config: ServingConfig
    trained: bool
    context: Context
    queries: tuple[Query, ...]
    slates: tuple[Slate, ...]

    @classmethod
    def of(cls, snapshot: Snapshot, config: ServingConfig, asks: Sequence[Ask]) -> Pools:
        """Retrieve and score once, under the rules of ``config``."""
        plain_config = replace(config, diversity=0.0, spread=0.0)
        queries: list[Query] = []
        answers: list[Recommendation] = []
        for start in range(0, len(asks), CHUNK):
            part = [replace(ask, serving_config=config.name, limit=POOL) for ask in asks[start : start + CHUNK]]
            resolved = [replace(resolve(ask, snapshot).query, config=plain_config) for ask in part]
            answers += snapshot.pipeline.recommend_many(resolved)
            # Masks of a whole catalogue and vectors remembered have done their work.
            queries += [replace(query, allowed=NO_ITEMS, remembered={}) for query in resolved]
        trained = config.ranker in snapshot.pipeline.rankers
        return cls(config, trained, snapshot.model.context, tuple(queries), tuple(a.slate for a in answers))

    def lists(self, setting: Setting, limit: int = K) -> Int32:
        """(Q, limit) answers under ``setting``; -1 where there are fewer items."""
        config = replace(self.config, diversity=setting[0], spread=setting[1])
        policies = policies_of(config, trained=self.trained)
        lists = np.full((len(self.queries), limit), -1, np.int32)
        for row, (query, slate) in enumerate(zip(self.queries, self.slates, strict=True)):
            positions = select(policies, replace(query, limit=limit), slate, self.context)[:limit]
            lists[row, : len(positions)] = slate.items[positions]
        return lists

    def milliseconds(self, setting: Setting, limit: int) -> float:
        """What ``setting`` adds to a query with ``limit``."""
        started = perf_counter()
        self.lists(setting, limit)
        after = perf_counter()
        self.lists((0.0, 0.0), limit)
        return (after - started - (perf_counter() - after)) / len(self.queries) * 1e3


@dataclass(frozen=True, slots=True)
class Window:
    """One split: what was fitted before it, and what is true after it."""

    start: int
    snapshot: Snapshot
    truths: Mapping[str, Truth]
    exposure: Exposure

    @classmethod
    def of(cls, options: argparse.Namespace, start: int, *, end: int | None) -> Window:
        """Fit on events before ``start``; the truth is of [start, end)."""
        with Stages() as stages:
            dataset, _ = load_for(options.data, options.config, until=start, stages=stages)
            cut = Cut.read(options.data, dataset, start=start, end=end)
            built = build(Builder.of(dataset, cache=options.cache, stages=stages), end=start)
        return cls(start, built.snapshot, cut.truths, _exposure(dataset, built.snapshot, cut.n_items))

    def pools(self, task: str, config: str) -> Pools:
        """The pools of the users of ``task``."""
        asks = [Ask(at=self.start, user_id=user) for user in self.snapshot.users.ids(self.truths[task].users)]
        return Pools.of(self.snapshot, self.snapshot.configs[config], asks)

    def row(self, task: str, lists: Int32) -> Row:
        """Means over users of the accuracy of ``lists``, and what lies beyond it."""
        truth = self.truths[task]
        accuracy = per_user(lists, truth, len(self.exposure.known))
        means = {name: float(accuracy[name].mean()) for name in (f"ndcg@{K}", f"recall@{K}")}
        return means | beyond_accuracy(lists, truth, self.exposure)

    def sources(self, task: str, config: str) -> dict[str, Row]:
        """Each source that needs no context item, alone."""
        users = self.truths[task].users
        names = [name for name in self.snapshot.pipeline.sources if not name.startswith("similar")]
        return {
            name: self.row(task, lists_of_source(self.snapshot, name, config, users, at=self.start)) for name in names
        }


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
    chosen = {task: _choice([tasks[task] for tasks in validation.values()], options.most_loss) for task, _ in TASKS}
    figures: dict[str, Any] = {"chosen": {task: _named(setting) for task, setting in chosen.items()}}
    for task, config in TASKS:
        now = (built_in()[config].diversity, built_in()[config].spread)
        print(f"{task}: chosen {_named(chosen[task])}; serving config {config} has {_named(now)}")
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
    _plot(validation, chosen, options.most_loss, options.out / "curve.svg")
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
        rows.append(_named(setting) | window.row(task, pools.lists(setting)))
        print(f"{_stamp(window.start)} {task} " + " ".join(f"{k} {v:.4g}" for k, v in rows[-1].items()), flush=True)
    return {
        "n_users": len(window.truths[task]),
        "n_items": int(window.exposure.known.sum()),
        "settings": rows,
        "sources": window.sources(task, config),
    }


def _choice(windows: Sequence[Mapping[str, Any]], most_loss: float) -> Setting:
    """The rule at the top of this file."""
    settings = [(row["diversity"], row["spread"]) for row in windows[0]["settings"]]
    values = {
        name: np.array([[row[f"{name}@{K}"] for row in window["settings"]] for window in windows])
        for name in ("ndcg", "hits_coverage", "diversity")
    }
    off = settings.index((0.0, 0.0))
    allowed = (values["ndcg"] >= (1 - most_loss) * values["ndcg"][:, [off]]).all(axis=0)
    hits = np.where(allowed, values["hits_coverage"].mean(axis=0), -1.0)
    n_hits = sum(window["n_items"] for window in windows) * hits.max()
    near = np.flatnonzero(hits >= hits.max() * (1 - 1 / np.sqrt(max(n_hits, 1.0))))
    variety = np.nan_to_num(values["diversity"].mean(axis=0)[near])
    return settings[near[np.lexsort((-hits[near], -variety))[0]]]


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


def _plot(validation: Mapping[str, Any], chosen: Mapping[str, Setting], most_loss: float, file: Path) -> None:
    """NDCG@10 against what lies beyond accuracy, means over the validation windows: a line a diversity weight."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    axes_names = {
        "coverage": "items shown / items",
        "hits_coverage": "distinct items that were hits / items",
        "gini": "Gini of exposure",
        "diversity": "1 - mean cosine within a list",
    }
    figure, axes = plt.subplots(2, len(axes_names), figsize=(16, 7.5), sharey="row", constrained_layout=True)
    for row_axes, (task, _) in zip(axes, TASKS, strict=True):
        windows = [tasks[task] for tasks in validation.values()]
        rows = [_mean([window["settings"][i] for window in windows]) for i in range(len(windows[0]["settings"]))]
        sources = {name: _mean([window["sources"][name] for window in windows]) for name in windows[0]["sources"]}
        best = max(sources, key=lambda name: sources[name][f"ndcg@{K}"])
        off = next(row for row in rows if (row["diversity"], row["spread"]) == (0.0, 0.0))
        choice = next(row for row in rows if (row["diversity"], row["spread"]) == chosen[task])
        for axis, (metric, label) in zip(row_axes, axes_names.items(), strict=True):
            for weight in sorted({row["diversity"] for row in rows}):
                line = [row for row in rows if row["diversity"] == weight]
                x, y = ([row[f"{name}@{K}"] for row in line] for name in (metric, "ndcg"))
                axis.plot(x, y, marker=".", linewidth=1, label=f"diversity {weight:g}")
            axis.plot(off[f"{metric}@{K}"], off[f"ndcg@{K}"], "ks", label="the ranker's order")
            axis.plot(choice[f"{metric}@{K}"], choice[f"ndcg@{K}"], "k*", markersize=13, label="chosen")
            axis.axvline(sources[best][f"{metric}@{K}"], color="grey", linestyle=":", label=f"{best} alone")
            axis.axhline((1 - most_loss) * off[f"ndcg@{K}"], color="grey", linewidth=0.7)
            axis.set_xlabel(label)
        row_axes[0].set_ylabel(f"NDCG@{K}, task {task}")
        row_axes[-1].legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.02, 1.0))
    figure.suptitle("Along a line the weight of spread rises; the grey line is the most NDCG that may be lost")
    figure.savefig(file, metadata={"Date": None})


def _mean(rows: Sequence[Mapping[str, float]]) -> Row:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _plain(values: Any) -> Any:
    """``values`` as JSON can hold them: None for what could not be measured, five digits of the rest."""
    if isinstance(values, dict):
        return {name: _plain(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_plain(value) for value in values]
    if isinstance(values, float):
        return float(f"{values:.5g}") if np.isfinite(values) else None
    return values


def _named(setting: Setting) -> Row:
    return {"diversity": setting[0], "spread": setting[1]}


def _stamp(start: int) -> str:
    return f"{np.datetime64(start, 's')}Z"


if __name__ == "__main__":
    sys.exit(main())
