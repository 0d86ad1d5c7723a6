"""Which fusion, sources and policy weights a build takes: chosen by validation, or as an earlier build chose them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from index.builder import Builder
from index.heads import HEADS, NEWCOMERS
from index.heeding import heeded
from index.kept_selection import Selection, Selections, Shop, Verdict
from index.learn import Learnt, Plan, learn, plan
from index.policy_weights import PolicyWeights, choose_weights
from index.selection import Chosen, Grown, choose
from index.source_search import n_fits, search
from index.tuning import Budget, tune
from index.worth import Worth, worths

# With fewer newcomers nothing can be told about them, and they are ordered like everyone.
LEAST_NEWCOMERS = 100
# What was chosen before must still reach this share of the NDCG@10 it had then.
LEAST_OF_THEN = 0.95


@dataclass(frozen=True, slots=True)
class Selected:
    """builder: fits sources as was chosen · chosen: a head each, that of newcomers last if they have one · worths: of
    all sources · policies: by head · learnt: rows without sources that do not pay · at: epoch seconds of the last event
    that the choice knew · of_other_data: it was made on other data than these · strengths: of what was shown, by head;
    0 or none where it is not heeded.
    """

    builder: Builder
    chosen: tuple[Chosen, ...]
    worths: tuple[Worth, ...]
    policies: Mapping[str, PolicyWeights]
    learnt: Learnt
    at: int
    notes: tuple[str, ...]
    of_other_data: bool = False
    strengths: Mapping[str, float] = field(default_factory=dict)

    @property
    def unpaid(self) -> frozenset[str]:
        """The sources that are left out."""
        return frozenset(worth.source for worth in self.worths if not worth.pays)


def selected(builder: Builder, end: int, budget: Budget | None, kept: Selections | None) -> Selected:
    """What an earlier build chose, where it still holds for these data, else what validation chooses now.

    ``kept`` None: every choice is made here and now, and forgotten.
    """
    if kept is None:
        return _select(builder, end, budget)[0]
    shop = Shop.of(builder, end)
    earlier, why_not = kept.fitting(shop)
    if earlier is not None:
        again = _reuse(builder, end, earlier, shop)
        if isinstance(again, Selected):
            return again
        why_not = again
    found, names = _select(builder, end, budget)
    notes = [f"sources and fusions were selected again: {why_not}"] if why_not else []
    if all(one.n_users for one in found.chosen):
        try:
            kept.keep(_selection(found, shop, names))
        except OSError as error:
            notes.append(f"the selection is not kept for the next rebuild: {error}")
    return replace(found, notes=(*notes, *found.notes))


def _reuse(builder: Builder, end: int, earlier: Selection, shop: Shop) -> Selected | str:
    """What ``earlier`` says, judged anew on the newest windows; a sentence when it does not hold after all."""
    # Sources left out are not fitted. On the very same data they are: the rows are kept from then, and a build of the
    # same data must give the same snapshot whether it chose or not.
    is_same = earlier.shop.data == shop.data
    off = frozenset() if is_same else earlier.unpaid
    builder = builder.fitting_by(earlier.fitting)
    # Rows of all that users did take long. On the very same data they are there.
    by_all = [name for name, verdict in earlier.verdicts.items() if verdict.contender.by_all]
    windows = plan(builder, end, acts=is_same or bool(by_all))
    if by_all and not windows.acted:
        return f"{' and '.join(by_all)} learnt from all that users did, and these data are not learnt from so"
    learnt = learn(builder, windows, off=off)
    if learnt.names != (earlier.remaining if off else earlier.names):
        return f"the features are others than those of the selection of {earlier.day}"
    seed, n_items = builder.dataset.settings.training.seed, len(builder.dataset.item_ids)
    chosen: list[Chosen] = []
    notes: list[str] = []
    for head in HEADS:
        verdict = earlier.verdicts[head.name]
        with builder.stages.stage(f"judge the fusion of {head.name}"):
            rows = learnt.heeding(verdict.strength)
            one = choose(head, rows, learnt.names, n_items, seed=seed, only=verdict.contender)
        if not one.n_users:
            return f"nothing is there to judge the selection of {earlier.day} by"
        ndcg = _ndcg(one)
        if ndcg < LEAST_OF_THEN * verdict.ndcg:
            return (
                f"{one.contender.label} of {head.name} reaches {ndcg:.4f}, on {earlier.day} it was {verdict.ndcg:.4f}"
            )
        chosen.append(replace(one, why=verdict.why))
        notes.append(
            f"serving config {head.name} orders by {one.contender.label}: NDCG@10 {ndcg:.4f} over {one.n_users} users, "
            f"{verdict.ndcg:.4f} when it was chosen"
        )
    if NEWCOMERS.name in earlier.verdicts:
        verdict = earlier.verdicts[NEWCOMERS.name]
        with builder.stages.stage("judge the fusion of newcomers"):
            rows = learnt.heeding(verdict.strength)
            one = choose(NEWCOMERS, rows, learnt.names, n_items, seed=seed, only=verdict.contender)
        # They are few: that they fare worse than then is as likely chance, and no reason to choose everything again.
        if one.n_users:
            chosen.append(replace(one, why=verdict.why))
            notes.append(f"newcomers are ordered by {one.contender.label}: NDCG@10 {_ndcg(one):.4f}")
    strengths = {name: verdict.strength for name, verdict in earlier.verdicts.items()}
    if builder.shown is not None:
        heeding = ", ".join(name for name, strength in strengths.items() if strength) or "nothing"
        notes.append(f"feedback is used by {heeding}, as was chosen on {earlier.day}")
    largest = earlier.shop.facts.changes(shop.facts)[0]
    why = "the data are the same" if is_same else f"nothing has drifted (largest change: {largest})"
    notes.insert(0, f"reused the selection of {earlier.day}: {why}")
    return Selected(
        builder=builder,
        chosen=tuple(chosen),
        worths=earlier.worths,
        policies=earlier.policies,
        learnt=learnt.without(earlier.unpaid),
        at=earlier.shop.at,
        notes=(*notes, *_weighed(earlier.worths)),
        of_other_data=not is_same,
        strengths=strengths,
    )


def _select(builder: Builder, end: int, budget: Budget | None) -> tuple[Selected, tuple[str, ...]]:
    """What validation chooses now, after a search for recipes if there is time for one; the names of all features."""
    stages, seed = builder.stages, builder.dataset.settings.training.seed
    n_items = len(builder.dataset.item_ids)
    windows = plan(builder, end)
    builder, notes = _fitting(builder, windows)
    learnt = learn(builder, windows)
    # First as if nobody had kept what was shown: what orders best is found as it always was.
    alike = learnt.heeding(0.0)
    chosen: list[Chosen] = []
    grown: Grown = {}
    for head in HEADS:
        recipe = None
        if budget is not None and budget.minutes > 0:
            with stages.stage(f"search a recipe for {head.name}") as step:
                tuned = tune(head, alike, n_items, budget, seed=seed, advance=step.advance)
            recipe, said = tuned or (None, f"no window to judge recipes for {head.name} by: none was searched for")
            notes.append(said)
        with stages.stage(f"choose the fusion of {head.name}"):
            chosen.append(choose(head, alike, learnt.names, n_items, seed=seed, tuned=recipe, grown=grown))
    notes += [f"serving config {one.head.name} orders by {one.why}" for one in chosen]
    newcomers, said = _newcomers(builder, learnt, grown)
    chosen += newcomers
    notes.append(said)
    chosen, strengths, told = _heed(builder, learnt, chosen)
    notes += told
    table, weights = _weigh(builder, learnt, chosen)
    unpaid = frozenset(worth.source for worth in table if not worth.pays)
    at = int(builder.dataset.interactions.times.max())
    notes += _weighed(table)
    remaining = learnt.without(unpaid)
    found = Selected(builder, tuple(chosen), table, weights, remaining, at, tuple(notes), strengths=strengths)
    return found, learnt.names


def _heed(builder: Builder, learnt: Learnt, chosen: list[Chosen]) -> tuple[list[Chosen], dict[str, float], list[str]]:
    """What was chosen, with rows weighted by what was shown where that is better; how much by head, and sentences."""
    if builder.shown is None:
        return chosen, {}, []
    seed, n_items = builder.dataset.settings.training.seed, len(builder.dataset.item_ids)
    grown: dict[float, Grown] = {}
    found = []
    with builder.stages.stage("judge what feedback teaches") as step:
        for one in chosen:
            found.append(heeded(one, learnt, n_items, seed=seed, grown=grown))
            step.advance()
    strengths = {one.chosen.head.name: one.strength for one in found}
    whole = [replace(one.chosen, why=f"{one.chosen.why}; {one.said}") for one in found]
    return whole, strengths, [f"{one.chosen.head.name}: {one.said}" for one in found]


def _newcomers(builder: Builder, learnt: Learnt, grown: Grown) -> tuple[list[Chosen], str]:
    """What orders for who has no history, if there were enough of them to tell; and a sentence about it."""
    n_judged = sum(len(window.truths[NEWCOMERS.task]) for window in learnt.windows if window.whole)
    if n_judged < LEAST_NEWCOMERS:
        return [], _too_few(f"{n_judged} came in the judged windows")
    seed, n_items = builder.dataset.settings.training.seed, len(builder.dataset.item_ids)
    with builder.stages.stage("choose the fusion of newcomers"):
        one = choose(NEWCOMERS, learnt.heeding(0.0), learnt.names, n_items, seed=seed, grown=grown)
    if one.n_users < LEAST_NEWCOMERS:
        return [], _too_few(f"only {one.n_users} can be judged")
    return [one], f"newcomers are ordered by {one.why}"


def _too_few(there_are: str) -> str:
    return f"newcomers are ordered like everyone: {there_are}, it takes {LEAST_NEWCOMERS} to tell"


def _fitting(builder: Builder, windows: Plan) -> tuple[Builder, list[str]]:
    """The builder with the settings of its sources, chosen on a window that nothing else is judged by, if there is."""
    window = windows.to_search
    if window is None:
        return builder, []
    with builder.stages.stage("choose how sources are fitted", total=n_fits(builder)) as step:
        fitting, said = search(builder, window, step.advance)
    return builder.fitting_by(fitting), said


def _weigh(
    builder: Builder, learnt: Learnt, chosen: list[Chosen]
) -> tuple[tuple[Worth, ...], dict[str, PolicyWeights]]:
    """What each source is worth and how much variety the lists bear, both on the newest window; nothing without one."""
    if not learnt.windows or not learnt.windows[0].whole:
        return (), {}
    newest = learnt.windows[0]
    snapshot = learnt.newest or builder.before(newest.window)
    with builder.stages.stage("weigh sources"):
        table = worths(chosen, newest, snapshot, learnt.names)
    with builder.stages.stage("weigh variety"):
        heads = [one for one in chosen if one.head is not NEWCOMERS]
        found = {one.head.name: choose_weights(one, newest, snapshot.model.context) for one in heads}
    return table, {name: weights for name, weights in found.items() if weights is not None}


def _selection(found: Selected, shop: Shop, names: tuple[str, ...]) -> Selection:
    verdicts = {
        one.head.name: Verdict(one.contender, one.why, _ndcg(one), found.strengths.get(one.head.name, 0.0))
        for one in found.chosen
    }
    return Selection(shop, found.builder.fitting, verdicts, found.worths, found.policies, names)


def _ndcg(one: Chosen) -> float:
    return float(one.scores[one.contender.label]["ndcg@10"].mean())


def _weighed(table: Sequence[Worth]) -> list[str]:
    """What became of the sources that were weighed, in a sentence; [] where none could be."""
    if not table:
        return []
    unpaid = sorted(one.source for one in table if not one.pays)
    if unpaid:
        return [f"left out, for they win too little: {', '.join(unpaid)}"]
    return ["no source is left out: each wins enough or is needed whatever it wins"]
