"""Chooses how to fuse, by what does best on windows that nothing was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from index.convincing import convinces
from index.frames import Frame
from index.fusions import fit_linear
from index.heads import BY_ALL, SMALL, Head, Mean, Recipe, learns_by_all, sample_of, top_lists, train, trained
from index.labelled import Labelled
from index.mean_forest import mean_forest
from index.windows import Window
from recsys.arrays import Float32, Float64, Int32
from recsys.evaluation.metrics import DEEP, per_user
from recsys.evaluation.truth import Truth
from recsys.fusion import FOREST, LINEAR, RECIPROCAL_RANK, SOURCE, STACKED, Fusion
from recsys.ranker import Forest, Ranker

OWN_HISTORY = "history"
# Another fusion takes the default's place when it is better by this many standard errors of the paired difference.
CONVINCING = 0.5
# From so many positives and queries with a positive on, recipes for little data are not tried. Of three thousand who
# bought one thing each they still do better (in a made-up shop of many views and few purchases the forests for much
# data reach .086 on what one for little data reaches .092 on), and a hundred who rated a hundred films each are few.
MANY_POSITIVES, MANY_QUERIES = 10_000, 3_000


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to order a head's candidates; recipe: of the forest it needs, if any."""

    fusion: Fusion
    recipe: Recipe | Mean | None

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.fusion.label} ({self.recipe.name})" if self.recipe else self.fusion.label

    @property
    def by_all(self) -> bool:
        """Whether it learns from all that users did, not from what they took."""
        return self.recipe is not None and learns_by_all(self.recipe)


# By the judged window, what a head learns from (new items only, share of negatives) and the recipe.
Grown = dict[tuple[Window, bool, float, Recipe], Forest]


@dataclass(frozen=True, slots=True)
class _Scored:
    """A forest that has scored the rows in question already: asking it is most of the time that judging takes."""

    scores: Float64

    def score(self, features: Float32) -> Float64:
        """(C,) what the forest gave these rows."""
        return self.scores


@dataclass(frozen=True, slots=True)
class Chosen:
    """The contender that won for a head, and what all scored: label -> metric -> one value a user, windows pooled.

    ranker: the winner as it was fitted to be judged on the newest window, None when it was not.
    """

    head: Head
    contender: Contender
    scores: Mapping[str, Mapping[str, Float64]]
    n_users: int
    why: str
    ranker: Ranker | None = None


def choose(
    head: Head,
    windows: Sequence[Labelled],
    feature_names: Sequence[str],
    n_items: int,
    *,
    seed: int,
    tuned: Recipe | None = None,
    only: Contender | None = None,
    grown: Grown | None = None,
) -> Chosen:
    """The best contender over the whole windows, each judged by models trained on the windows that ended before it.

    Without any such window the forest is taken where one can be trained, else reciprocal ranks. The default is the
    head's own, else the first recipe's forest, else the user's own history before all else; ``tuned`` is one more
    recipe, whatever the size of the data. ``only``: the one contender, fitted anew and judged on the same windows as if
    there were others. ``grown``: forests of heads that learn from the same rows are taken from there, and new ones are
    added.
    """
    grown = {} if grown is None else grown
    pooled: dict[str, list[dict[str, Float64]]] = {}
    contenders: dict[str, Contender] = {}
    first: dict[str, Ranker] = {}
    trainable = False
    for judged in windows:
        past = [other for other in windows if other.window.end <= judged.window.start]
        older = [other.frame for other in past]
        truth = judged.truths[head.task]
        if not judged.whole or not len(truth):
            continue
        sample = sample_of(head, older, seed=seed) if older else None
        acted = _acted_sample(head, past, seed=seed) if head.by_all else None
        # Means over different users cannot be compared: all are judged where the forest can be trained, if anywhere.
        # The newest windows come first, and a forest that can be trained before one can be before any newer one.
        if trainable and sample is None:
            break
        trainable = sample is not None
        rows = rows_about(head, judged, truth)
        forests: dict[Recipe | Mean, Forest] = {}
        scores_of: dict[Recipe | Mean, Float64] = {}
        if sample is not None:
            recipes, means = _recipes(head, older, tuned, only, acts=acted is not None)
            missing = [one for one in recipes if (judged.window, head.new_only, head.negatives, one) not in grown]
            for rows_to_learn, by_all in ((sample, False), (acted, True)):
                those = [one for one in missing if one.by_all is by_all]
                if rows_to_learn is None or not those:
                    continue
                for recipe, forest in zip(those, trained(those, rows_to_learn, seed=seed), strict=True):
                    grown[judged.window, head.new_only, head.negatives, recipe] = forest
            for recipe in recipes:
                forests[recipe] = grown[judged.window, head.new_only, head.negatives, recipe]
                scores_of[recipe] = forests[recipe].score(rows.features)
            for mean in means:
                forests[mean] = mean_forest([forests[part] for part in mean.parts])
                scores_of[mean] = np.mean([scores_of[part] for part in mean.parts], axis=0)
        known = {recipe: _Scored(scores) for recipe, scores in scores_of.items()}
        for contender, ranker in _fitted(sample, forests, feature_names, only=only):
            if only is not None and contender.recipe != only.recipe:
                continue  # a part of it
            contenders.setdefault(contender.label, contender)
            first.setdefault(contender.label, ranker)
            if contender.recipe is not None:
                ranker = contender.fusion.bound(feature_names, known[contender.recipe])
            lists = lists_of(rows, ranker, judged.asked, truth)
            pooled.setdefault(contender.label, []).append(per_user(lists, truth, n_items))
        for name, lists in judged.plain.get(head.task, {}).items():
            pooled.setdefault(name, []).append(per_user(lists, truth, n_items))
    n_common = len(next(iter(pooled.values()), []))
    scores = {
        label: {metric: np.concatenate([part[metric] for part in parts[:n_common]]) for metric in parts[0]}
        for label, parts in pooled.items()
        if len(parts) >= n_common
    }
    if not contenders.keys() & scores.keys():
        return _unjudged(head, [window.frame for window in windows], seed)
    ndcg = {label: values["ndcg@10"] for label, values in scores.items() if label in contenders}
    default = head.default if head.default in ndcg else next(iter(ndcg))
    best = max(ndcg, key=lambda label: float(ndcg[label].mean()))
    gain = ndcg[best] - ndcg[default]
    label = best if convinces(gain, CONVINCING) else default
    why = f"{label}: NDCG@10 {ndcg[label].mean():.4f} over {len(gain)} users of {n_common} windows"
    runner_up = max((other for other in ndcg if other != label), key=lambda o: float(ndcg[o].mean()), default=None)
    if runner_up is not None:
        why += f", {runner_up} {ndcg[runner_up].mean():.4f}"
    return Chosen(head, contenders[label], scores, len(gain), why, first[label])


def rows_about(head: Head, window: Labelled, truth: Truth) -> Frame:
    """The rows that ``head`` is judged on of users of ``truth``: scores of others would be worked out for nobody."""
    wanted = np.zeros(len(window.asked), bool)
    wanted[np.searchsorted(window.asked.users, truth.users)] = True
    keep = wanted[window.frame.query]
    return window.frame.where(keep & window.frame.new if head.new_only else keep)


def lists_of(rows: Frame, ranker: Ranker, asked: Truth, truth: Truth) -> Int32:
    """(Q, 100) lists for the users of ``truth``, who are among those of ``asked``, whose order numbers the queries."""
    return lists_by(rows, ranker.score(rows.features), asked, truth)


def lists_by(rows: Frame, scores: Float64, asked: Truth, truth: Truth) -> Int32:
    """As ``lists_of``, by ``scores`` (R,) that the rows have been given."""
    lists = top_lists(rows, scores, len(asked), DEEP)
    chosen: Int32 = lists[np.searchsorted(asked.users, truth.users)]
    return chosen


def _acted_sample(head: Head, windows: Sequence[Labelled], *, seed: int) -> Frame | None:
    """The rows the head learns from all that users did by; None when there are none, or too few."""
    frames = [window.acted for window in windows if window.acted is not None]
    return sample_of(head, frames, seed=seed) if frames else None


def _recipes(
    head: Head, frames: Sequence[Frame], tuned: Recipe | None, only: Contender | None, *, acts: bool
) -> tuple[tuple[Recipe, ...], tuple[Mean, ...]]:
    """What forests are compared, the default first, and means of them; of ``only`` its own, if it has one.

    acts: there are rows to learn from all that users did by.
    """
    if only:
        mine = only.recipe
        if only.by_all and not acts:
            return (), ()
        if isinstance(mine, Mean):
            return mine.parts, (mine,)
        return (mine,) if mine else (), ()
    # Much data needs no recipe for little, and its forests take minutes.
    taken = [frame.query[frame.labels & frame.new if head.new_only else frame.labels] for frame in frames]
    n_positives, n_queries = sum(map(len, taken)), sum(len(np.unique(queries)) for queries in taken)
    is_much = n_positives >= MANY_POSITIVES and n_queries >= MANY_QUERIES
    recipes = tuple(recipe for recipe in head.recipes if recipe is not SMALL or not is_much)
    by_all, means_by_all = (BY_ALL.parts, (BY_ALL,)) if acts else ((), ())
    return (*recipes, *([tuned] if tuned else []), *by_all), (*head.means, *means_by_all)


def _fitted(
    sample: Frame | None,
    forests: Mapping[Recipe | Mean, Forest],
    feature_names: Sequence[str],
    *,
    only: Contender | None,
) -> list[tuple[Contender, Ranker]]:
    """Every contender that ``forests``, grown on ``sample``, allow, the default first; of ``only`` nothing else."""
    found: list[tuple[Contender, Ranker]] = []
    kinds = {only.fusion.kind} if only else {FOREST, STACKED, LINEAR, RECIPROCAL_RANK, SOURCE}
    if sample is not None:
        linear = fit_linear(sample, feature_names) if kinds & {STACKED, LINEAR} else None
        for recipe, forest in forests.items():
            for kind in (FOREST, STACKED):
                if kind in kinds:
                    fusion = Fusion(kind, linear if kind == STACKED else None)
                    found.append((Contender(fusion, recipe), fusion.bound(feature_names, forest)))
        if LINEAR in kinds:
            fusion = Fusion(LINEAR, linear)
            found.append((Contender(fusion, None), fusion.bound(feature_names, None)))
    names = [name.removesuffix("_rank") for name in feature_names if name.endswith("_rank")]
    alone = [Fusion(SOURCE, source=name) for name in names if not name.startswith("similar")]
    # Without a forest the user's own history is the default, where there is such a source: among a dozen contenders and
    # a few dozen users the best may be a lucky one. On a split of Retailrocket it reached a third of what history did.
    first = [fusion for fusion in alone if fusion.source == OWN_HISTORY]
    for fusion in (*first, Fusion(RECIPROCAL_RANK), *(other for other in alone if other not in first)):
        if fusion.kind in kinds and (only is None or fusion.source == only.fusion.source):
            found.append((Contender(fusion, None), fusion.bound(feature_names, None)))
    return found


def _unjudged(head: Head, frames: Sequence[Frame], seed: int) -> Chosen:
    enough = bool(frames) and sample_of(head, frames, seed=seed) is not None
    if enough:
        small = Contender(Fusion(FOREST), head.recipes[-1])
        return Chosen(head, small, {}, 0, "forest, trained on the only window there is: nothing to judge it by")
    return Chosen(head, Contender(Fusion(RECIPROCAL_RANK), None), {}, 0, "reciprocal-rank: too little to train on")


def lesson_of(head: Head, recipe: Recipe | Mean, windows: Sequence[Labelled], *, seed: int) -> Frame | None:
    """The rows of ``windows`` that a forest by ``recipe`` is grown on; None when they are too few."""
    if learns_by_all(recipe):
        return _acted_sample(head, windows, seed=seed)
    return sample_of(head, [window.frame for window in windows], seed=seed)


def final(
    chosen: Chosen, windows: Sequence[Labelled], feature_names: Sequence[str], *, seed: int
) -> tuple[Fusion, Forest | None]:
    """The chosen fusion fitted on all windows, and its forest, None when it needs none."""
    fusion, recipe = chosen.contender.fusion, chosen.contender.recipe
    if fusion.kind in (RECIPROCAL_RANK, SOURCE):
        return fusion, None
    sample = sample_of(chosen.head, [window.frame for window in windows], seed=seed)
    lesson = sample if recipe is None else lesson_of(chosen.head, recipe, windows, seed=seed)
    if sample is None or lesson is None:
        return Fusion(RECIPROCAL_RANK), None
    forest = train(recipe, lesson, seed=seed) if recipe else None
    linear = fit_linear(sample, feature_names) if fusion.kind in (LINEAR, STACKED) else None
    return Fusion(fusion.kind, linear, fusion.source), forest
