"""From a dataset to a snapshot in memory: windows, validation, what to keep, and the fit on everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from threadpoolctl import threadpool_limits

from index.alternatives import Lesson
from index.builder import Builder
from index.gates import LEAST_VALIDATED, Gate, ann_recall, finite_share, gates_of, ratio
from index.heads import HEADS
from index.policy_weights import PolicyWeights, choose_weights
from index.selection import Chosen, Labelled, choose, final
from index.settings import Settings
from index.source_search import n_fits, search
from index.tuning import Budget, tune
from index.windows import Window, judged, planned, span, truth_in
from index.worth import Worth, lacks_sources, source_of, worths
from index.worth import dropped as rows_without
from recsys.fusion import Fusion
from recsys.model import Snapshot
from recsys.ranker import Forest

Tasks = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class Built:
    """A snapshot in memory, and how it came about.

    settings: with what events were found to weigh · validation: task -> name -> metric -> mean over users of the judged
    windows, {} without one · n_validated: how many users that is · worths: of the sources · policies: by serving
    config · lesson: what rankers were trained on.
    """

    snapshot: Snapshot
    settings: Settings
    validation: Tasks
    gates: tuple[Gate, ...]
    notes: tuple[str, ...]
    n_validated: int
    worths: tuple[Worth, ...] = ()
    policies: Mapping[str, PolicyWeights] = field(default_factory=dict)
    lesson: Lesson | None = None


@dataclass(frozen=True, slots=True)
class _Learnt:
    """windows: newest first, all with the columns ``names`` · newest: what the first window was asked of."""

    windows: tuple[Labelled, ...]
    names: tuple[str, ...]
    newest: Snapshot | None


def build(builder: Builder, *, end: int, budget: Budget | None = None) -> Built:
    """The snapshot of all interactions, which lie before ``end``; fusions are chosen on the newest windows first.

    ``budget``: of a search for better recipes, which none means.
    """
    # The products here are small: a second BLAS thread gains nothing and, on a busy machine, costs a factor.
    with threadpool_limits(1, "blas"):
        return _build(builder, end=end, budget=budget)


def _build(builder: Builder, *, end: int, budget: Budget | None) -> Built:
    windows, to_judge = _plan(builder, end)
    builder, notes = _fitting(builder, windows, to_judge)
    everything, stages, seed = builder.dataset.interactions, builder.stages, builder.dataset.settings.training.seed
    learnt = _learn(builder, windows, to_judge)
    with stages.stage("fit sources on everything"):
        last = builder.snapshot(everything, end)
    chosen, more = _choose(builder, learnt, budget)
    notes += more
    table, weights = _weigh(builder, learnt, chosen)
    unpaid = {worth.source for worth in table if not worth.pays}
    if unpaid:
        notes.append(f"left out, for they win too little: {', '.join(sorted(unpaid))}")
    # A shop that has just grown large enough for a source: no ranker knows it yet.
    untried = {source.name for source in last.model.more} - {source_of(name) for name in learnt.names}
    if untried and learnt.names:
        notes.append(f"left out, for no window had enough data for them: {', '.join(sorted(untried))}")
        unpaid |= untried
    if unpaid:
        last = builder.with_rankers(last.model.without(unpaid), everything)
    frames = [window.frame for window in learnt.windows]
    names = tuple(name for name in learnt.names if name in last.feature_names) if unpaid else learnt.names
    if unpaid:
        frames = [rows_without(frame, learnt.names, names) for frame in frames]
    rankers: dict[str, Forest] = {}
    fusions: dict[str, Fusion] = {}
    if last.feature_names == names:
        for one in chosen:
            with stages.stage(f"train {one.head.name}"):
                fusion, forest = final(one, frames, names, seed=seed)
            fusions[one.head.name] = fusion
            if forest is not None:
                rankers[one.head.name] = forest
    elif names:
        notes.append("the data of all time has other sources than that of any window: sources are fused by rank")
    snapshot = builder.with_rankers(last.model, everything, rankers, fusions, weights)
    lesson = Lesson(tuple(chosen), tuple(frames), names, seed) if frames else None
    n_validated = max((one.n_users for one in chosen), default=0)
    validation = _validation(chosen)
    with stages.stage("measure gates"):
        values = _gate_values(snapshot, validation, seed)
        gates = gates_of(values, builder.dataset.settings.gates, n_validated=n_validated)
    if n_validated < LEAST_VALIDATED:
        notes.append(
            f"gates on NDCG@10 are not judged: the newest windows have {n_validated} users, {LEAST_VALIDATED} are "
            "needed (a limit given in recsys.toml is always judged)"
        )
    return Built(
        snapshot, builder.dataset.settings, validation, gates, tuple(notes), n_validated, table, weights, lesson
    )


def _plan(builder: Builder, end: int) -> tuple[tuple[Window, ...], tuple[Window, ...]]:
    """The windows to learn from, newest first, and those of them to judge by."""
    training, everything = builder.dataset.settings.training, builder.dataset.interactions
    n_items = len(builder.dataset.item_ids)
    windows = planned(everything, end, n_items, horizon_days=training.horizon_days, count=training.windows)
    to_judge = judged(windows, len(truth_in(everything, windows[0], n_items)) if windows else 0)
    builder.stages.print(f"windows: {span(windows)}; {len(to_judge)} of them to judge by")
    return windows, to_judge


def _fitting(builder: Builder, windows: Sequence[Window], to_judge: Sequence[Window]) -> tuple[Builder, list[str]]:
    """The builder with the settings of its sources, chosen on the newest window that nothing else is judged by."""
    if not windows:
        return builder, []
    window = next((one for one in windows if one.end <= to_judge[-1].start), to_judge[-1])
    with builder.stages.stage("choose how sources are fitted", total=n_fits(builder)) as step:
        fitting, said = search(builder, window, step.advance)
    return builder.fitting_by(fitting), said


def _learn(builder: Builder, windows: Sequence[Window], to_judge: Sequence[Window]) -> _Learnt:
    """The rows of every window in which something happened."""
    labelled: list[Labelled] = []
    names: tuple[str, ...] = ()
    newest: Snapshot | None = None
    for window in windows:
        found = builder.labelled(window, whole=window in to_judge)
        if found is None:
            continue
        rows, before = found
        names, newest = names or before.feature_names, newest or before
        if before.feature_names != names:
            if not lacks_sources(before.feature_names, names):
                continue  # so early that its rows have altogether other columns
            rows = replace(rows, frame=rows.frame.spread(before.feature_names, names))
        labelled.append(rows)
    return _Learnt(tuple(labelled), names, newest)


def _choose(builder: Builder, learnt: _Learnt, budget: Budget | None) -> tuple[list[Chosen], list[str]]:
    """The contender of each head, after a search for recipes if there is time for one, and what to say of it."""
    stages, seed = builder.stages, builder.dataset.settings.training.seed
    n_items = len(builder.dataset.item_ids)
    chosen: list[Chosen] = []
    notes: list[str] = []
    for head in HEADS:
        recipe = None
        if budget is not None and budget.minutes > 0:
            with stages.stage(f"search a recipe for {head.name}") as step:
                tuned = tune(head, learnt.windows, n_items, budget, seed=seed, advance=step.advance)
            recipe, said = tuned or (None, f"no window to judge recipes for {head.name} by: none was searched for")
            notes.append(said)
        with stages.stage(f"choose the fusion of {head.name}"):
            chosen.append(choose(head, learnt.windows, learnt.names, n_items, seed=seed, tuned=recipe))
    return chosen, notes + [f"serving config {one.head.name} orders by {one.why}" for one in chosen]


def _weigh(
    builder: Builder, learnt: _Learnt, chosen: Sequence[Chosen]
) -> tuple[tuple[Worth, ...], dict[str, PolicyWeights]]:
    """What each source is worth and how much variety the lists bear, both on the newest window; nothing without one."""
    if learnt.newest is None or not learnt.windows[0].whole:
        return (), {}
    newest = learnt.windows[0]
    with builder.stages.stage("weigh sources"):
        table = worths(chosen, newest, learnt.newest, learnt.names)
    with builder.stages.stage("weigh variety"):
        found = {one.head.name: choose_weights(one, newest, learnt.newest.model.context) for one in chosen}
    return table, {name: weights for name, weights in found.items() if weights is not None}


def _validation(chosen: Sequence[Chosen]) -> Tasks:
    """Means over users of what was chosen, called pipeline, of all it was chosen from, and of plain lists."""
    tasks: dict[str, dict[str, dict[str, float]]] = {}
    for one in chosen:
        if not one.scores:
            continue
        means = {label: {m: float(v.mean()) for m, v in values.items()} for label, values in one.scores.items()}
        tasks[one.head.task] = {"pipeline": means[one.contender.label], **means}
    return tasks


def _gate_values(snapshot: Snapshot, validation: Tasks, seed: int) -> dict[str, float | None]:
    def ndcg(name: str) -> float | None:
        return validation.get("all", {}).get(name, {}).get("ndcg@10")

    shown = {item for ask in snapshot.golden_asks(64) for item in snapshot.answer(ask)}
    return {
        "min_rows": float(len(snapshot.histories.items)),
        "ann_recall": ann_recall(snapshot, seed),
        "ndcg_vs_popular": ratio(ndcg("pipeline"), ndcg("popular")),
        "ndcg_vs_history": ratio(ndcg("pipeline"), ndcg("history")),
        "coverage": len(shown) / max(len(snapshot.catalogue), 1),
        "finite": finite_share(snapshot),
    }
