"""From a dataset to a snapshot in memory: windows, validation, what to keep, and the fit on everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from threadpoolctl import threadpool_limits

from index.alternatives import Lesson
from index.builder import Builder
from index.gates import LEAST_VALIDATED, Gate, ann_recall, finite_share, gates_of, ratio
from index.heads import NEWCOMERS
from index.kept_selection import Selections
from index.policy_weights import PolicyWeights
from index.select_or_reuse import selected
from index.selection import Chosen, Contender, final
from index.settings import Settings
from index.tuning import Budget
from index.worth import Worth, source_of
from recsys.fusion import Fusion
from recsys.model import Snapshot
from recsys.ranker import Forest
from recsys.serving import built_in

Tasks = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class Built:
    """A snapshot in memory, and how it came about.

    settings: with what events were found to weigh · validation: task -> name -> metric -> mean over users of the judged
    windows, {} without one · n_validated: how many users that is · selected_at: epoch seconds of the last event that
    choices knew · selected_on_other_data: they were made by an earlier build, on other data · whys: of each head's
    fusion · worths: of the sources · policies: by serving config · lesson: what rankers were trained on · feedback: how
    much was shown and how far it is heeded, None where nobody kept it.
    """

    snapshot: Snapshot
    settings: Settings
    validation: Tasks
    gates: tuple[Gate, ...]
    notes: tuple[str, ...]
    n_validated: int
    selected_at: int
    selected_on_other_data: bool = False
    whys: Mapping[str, str] = field(default_factory=dict)
    worths: tuple[Worth, ...] = ()
    policies: Mapping[str, PolicyWeights] = field(default_factory=dict)
    lesson: Lesson | None = None
    feedback: Mapping[str, Any] | None = None


def build(builder: Builder, *, end: int, budget: Budget | None = None, kept: Selections | None = None) -> Built:
    """The snapshot of all interactions, which lie before ``end``; fusions are chosen on the newest windows first.

    ``budget``: of a search for better recipes, which none means · ``kept``: selections of earlier builds, one of which
    is used again where it still holds; this one's joins them. None: everything is chosen here and now, and forgotten.
    """
    # The products here are small: a second BLAS thread gains nothing and, on a busy machine, costs a factor.
    with threadpool_limits(1, "blas"):
        return _build(builder, end=end, budget=budget, kept=kept)


def _build(builder: Builder, *, end: int, budget: Budget | None, kept: Selections | None) -> Built:
    choice = selected(builder, end, budget, kept)
    builder = choice.builder
    everything, stages, seed = builder.dataset.interactions, builder.stages, builder.dataset.settings.training.seed
    chosen, names, notes = choice.chosen, choice.learnt.names, list(choice.notes)
    strengths = {one.head.name: choice.strengths.get(one.head.name, 0.0) for one in chosen}
    windows = {name: choice.learnt.heeding(strength) for name, strength in strengths.items()}
    with stages.stage("fit sources on everything"):
        last = builder.snapshot(everything, end, off=choice.unpaid)
    # A shop that has just grown large enough for a source: no ranker knows it yet.
    untried = {source.name for source in last.model.more} - {source_of(name) for name in names}
    if untried and names:
        notes.append(f"left out, for no window had enough data for them: {', '.join(sorted(untried))}")
        last = builder.with_rankers(last.model.without(untried), everything)
    rankers: dict[str, Forest] = {}
    fusions: dict[str, Fusion] = {}
    if last.feature_names == names:
        trained: dict[tuple[Contender, bool, float, float], tuple[Fusion, Forest | None]] = {}
        for one in chosen:
            # Newcomers and discover often come to the same forest.
            alike = (one.contender, one.head.new_only, one.head.negatives, strengths[one.head.name])
            if alike not in trained:
                with stages.stage(f"train {one.head.name}"):
                    trained[alike] = final(one, windows[one.head.name], names, seed=seed)
            fusion, forest = trained[alike]
            fusions[one.head.name] = fusion
            if forest is not None:
                rankers[one.head.name] = forest
    elif names:
        notes.append("the data of all time has other sources than that of any window: sources are fused by rank")
    snapshot = builder.with_rankers(last.model, everything, rankers, fusions, choice.policies)
    for name, declared in builder.dataset.settings.serving.items():
        if lacking := sorted(set(declared.sources or ()) - set(snapshot.pipeline.sources)):
            notes.append(f"serving config {name} asks sources that this snapshot is without: {', '.join(lacking)}")
    configs = tuple(one for one in chosen if one.head is not NEWCOMERS)
    lesson = Lesson(configs, windows, names, seed) if choice.learnt.windows else None
    n_validated = max((one.n_users for one in configs), default=0)
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
        snapshot=snapshot,
        settings=builder.dataset.settings,
        validation=validation,
        gates=gates,
        notes=tuple(notes),
        n_validated=n_validated,
        selected_at=choice.at,
        selected_on_other_data=choice.of_other_data,
        whys={one.head.name: one.why for one in chosen},
        worths=choice.worths,
        policies=choice.policies,
        lesson=lesson,
        feedback=None if builder.shown is None else {**builder.shown.counts(), "strengths": strengths},
    )


def _validation(chosen: Sequence[Chosen]) -> Tasks:
    """Means over users of what was chosen, called pipeline, and best first of all beside it."""
    tasks: dict[str, dict[str, dict[str, float]]] = {}
    for one in chosen:
        if not one.scores:
            continue
        means = {label: {m: float(v.mean()) for m, v in values.items()} for label, values in one.scores.items()}
        best_first = sorted(means, key=lambda label: -means[label]["ndcg@10"])
        tasks[one.head.task] = {"pipeline": means[one.contender.label], **{label: means[label] for label in best_first}}
    return tasks


def _gate_values(snapshot: Snapshot, validation: Tasks, seed: int) -> dict[str, float | None]:
    def ndcg(name: str) -> float | None:
        return validation.get("all", {}).get(name, {}).get("ndcg@10")

    # What an operator declares beside them must not make a snapshot pass that would not pass without.
    asks = [ask for ask in snapshot.golden_asks(64) if ask.serving_config in built_in()]
    shown = {item for ask in asks for item in snapshot.answer(ask)}
    return {
        "min_rows": float(len(snapshot.histories.items)),
        "ann_recall": ann_recall(snapshot, seed),
        "ndcg_vs_popular": ratio(ndcg("pipeline"), ndcg("popular")),
        "ndcg_vs_history": ratio(ndcg("pipeline"), ndcg("history")),
        "coverage": len(shown) / max(len(snapshot.catalogue), 1),
        "finite": finite_share(snapshot),
    }
