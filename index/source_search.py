"""Chooses how sources are fitted, by what each finds alone on a window of the past after being fitted before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from scipy.sparse import csr_matrix

from index.builder import Builder
from index.convincing import convinces
from index.ease import EaseSettings, fit_ease
from index.factorise import AlsSettings, preferences
from index.fit import fit, fit_factors
from index.fit_settings import FitSettings
from index.neighbours import NeighbourSettings, Similarity, item_neighbours, user_neighbours
from index.scoring import lists_of_source
from index.settings import OPTIONAL_SOURCES
from index.windows import Window, novel_of, sampled, truth_in
from recsys.arrays import Float64
from recsys.evaluation.metrics import per_user
from recsys.evaluation.truth import Truth
from recsys.interactions import Interactions
from recsys.model import Model, Snapshot
from recsys.sources.stored import StoredSource

Setting = TypeVar("Setting")

# Another setting takes the usual one's place when it is better by this many standard errors of the paired difference.
CONVINCING = 1.0
# With fewer users the differences are luck; more make them no surer than they need be.
LEAST_USERS = 100
MOST_USERS = 2_000

# The usual setting first.
EASE = tuple(EaseSettings(regularisation=value) for value in (3.0, 10.0, 30.0))
ALS = (AlsSettings(), AlsSettings(128, 1.0, 10.0), AlsSettings(32, 1.0, 1.0))
SIMILARITIES = (Similarity.COSINE, Similarity.JACCARD, Similarity.PEARSON)
NEAR = (NeighbourSettings(), NeighbourSettings(800))
# Where other things happen than what is predicted.
NEAR_BY_ALL = (NeighbourSettings(everything=True), NeighbourSettings(800, everything=True))
# What events that are not predicted (views, carts) weigh, as a multiple of their usual weights.
OTHERS_WEIGH = (1.0, 0.3, 3.0)


def search(
    builder: Builder, window: Window, advance: Callable[[int], None] = lambda n: None
) -> tuple[FitSettings, list[str]]:
    """The settings that find most in ``window``, and what to say of those that are not the usual ones.

    Judged by NDCG@10 on what is new to the user (on everything where nothing is), each source alone. ``advance``
    hears of each fit, of ``n_fits`` at most.
    """
    first = _Trial.of(builder, window)
    if first is None:
        return builder.fitting, []
    said: list[str] = []
    # First of all, for the others are fitted on what this one decides.
    trials = {factor: first.under(factor) for factor in (OTHERS_WEIGH if weights_open(builder) else OTHERS_WEIGH[:1])}
    factor = OTHERS_WEIGH[0]
    if len(trials) > 1:
        factor = _best(tuple(trials), lambda f: trials[f].of_neighbours(SIMILARITIES[0]), said, _views, advance)
    trial = trials[factor]
    off = builder.dataset.settings.sources.off
    ease, similarity = EASE[0], SIMILARITIES[0]
    if "ease" not in off:
        ease = _best(EASE, trial.of_ease, said, lambda s: f"EASE with regularisation {s.regularisation:g}", advance)
    if "item-knn" not in off:
        similarity = _best(SIMILARITIES, trial.of_neighbours, said, lambda s: f"item neighbours by {s}", advance)
    near = NEAR[0]
    if "user-knn" not in off:
        near = _best(_near(builder), trial.of_users, said, _neighbours, advance)
    als = _best(ALS, trial.of_factors, said, lambda s: f"ALS with {s.factors} factors, alpha {s.alpha:g}", advance)
    found = replace(builder.fitting, ease=ease, als=als, similarity=similarity, neighbours=near, others_weigh=factor)
    return found, said


def weights_open(builder: Builder) -> bool:
    """Whether there are events that are not predicted, and nobody has said what they weigh."""
    return not builder.dataset.weights_given and not builder.dataset.interactions.targets.all()


def n_fits(builder: Builder) -> int:
    """How often ``search`` fits a source at most."""
    n_weights = len(OTHERS_WEIGH) if weights_open(builder) else 0
    return len(EASE) + len(SIMILARITIES) + len(_near(builder)) + len(ALS) + n_weights


def _best(
    settings: Sequence[Setting],
    judge: Callable[[Setting], Float64 | None],
    said: list[str],
    name: Callable[[Setting], str],
    advance: Callable[[int], None],
) -> Setting:
    """The setting with the most NDCG@10, the first unless another is convincingly better; None = cannot be fitted."""
    found: list[tuple[Setting, Float64]] = []
    for setting in settings:
        ndcg = judge(setting)
        advance(1)
        if ndcg is not None:
            found.append((setting, ndcg))
    if not found or found[0][0] is not settings[0]:
        return settings[0]
    usual = found[0][1]
    best, ndcg = max(found, key=lambda one: float(one[1].mean()))
    gain = ndcg - usual
    if not convinces(gain, CONVINCING):
        return settings[0]
    said.append(f"{name(best)}: NDCG@10 alone {ndcg.mean():.4f}, by the usual setting {usual.mean():.4f}")
    return best


def _near(builder: Builder) -> tuple[NeighbourSettings, ...]:
    """What is tried for user neighbours, the usual setting first."""
    return NEAR if builder.dataset.interactions.targets.all() else NEAR + NEAR_BY_ALL


def _neighbours(settings: NeighbourSettings) -> str:
    return f"{settings.n_neighbours} user neighbours by {'all they did' if settings.everything else 'what they took'}"


def _views(factor: float) -> str:
    return f"events that are not predicted weigh {factor:g} times as usual"


@dataclass(frozen=True)
class _Trial:
    """A window, everything before it, who is asked, and the snapshot that sources are tried in.

    found: by setting, what was found, for the first is asked for twice.
    """

    builder: Builder
    window: Window
    past: Interactions
    truth: Truth
    config: str
    snapshot: Snapshot
    found: dict[Similarity, Float64 | None] = field(default_factory=dict)

    @classmethod
    def of(cls, builder: Builder, window: Window) -> _Trial | None:
        """None when there are too few users to tell by."""
        dataset, at = builder.dataset, window.start
        n_items, seed = len(dataset.item_ids), dataset.settings.training.seed
        past = dataset.interactions.before(at)
        truth = truth_in(dataset.interactions, window, n_items)
        novel = novel_of(truth, past, n_items)
        config = "discover" if len(novel) >= LEAST_USERS else "home"
        truth = sampled(novel if config == "discover" else truth, MOST_USERS, seed)
        if len(truth) < LEAST_USERS:
            return None
        model = fit(builder.timeless, past, len(dataset.user_ids), at=at, seed=seed, off=frozenset(OPTIONAL_SOURCES))
        return cls(builder, window, past, truth, config, builder.with_rankers(model, past))

    def under(self, factor: float) -> _Trial:
        """The same with other weights for what is not predicted."""
        if factor == 1.0:
            return self
        past = self.past.weighing_others(factor)
        return replace(self, past=past, snapshot=self.builder.with_rankers(self.snapshot.model, past), found={})

    @cached_property
    def table(self) -> csr_matrix:
        dataset = self.builder.dataset
        return preferences(self.past, len(dataset.user_ids), len(dataset.item_ids), self.window.start)

    def of_ease(self, settings: EaseSettings) -> Float64 | None:
        return self._alone(fit_ease(self.table, settings=settings, seed=self._seed))

    def of_neighbours(self, similarity: Similarity) -> Float64 | None:
        if similarity not in self.found:
            self.found[similarity] = self._alone(item_neighbours(self.table, similarity=similarity))
        return self.found[similarity]

    def of_users(self, settings: NeighbourSettings) -> Float64 | None:
        return self._alone(user_neighbours(self.table, self.past, self.window.start, settings=settings))

    def of_factors(self, settings: AlsSettings) -> Float64 | None:
        n_users, n_items = self.table.shape
        found = fit_factors(self.past, n_users, n_items, at=self.window.start, settings=settings, seed=self._seed)
        return None if found is None else self._ndcg(replace(self.snapshot.model, factors=found), found.name)

    def _alone(self, source: StoredSource | None) -> Float64 | None:
        return None if source is None else self._ndcg(replace(self.snapshot.model, more=(source,)), source.name)

    def _ndcg(self, model: Model, source: str) -> Float64:
        snapshot = replace(self.snapshot, model=model, pipeline=model.pipeline({}))
        lists = lists_of_source(snapshot, source, self.config, self.truth.users, at=self.window.start)
        values: Float64 = per_user(lists, self.truth, len(self.builder.dataset.item_ids))["ndcg@10"]
        return values

    @property
    def _seed(self) -> int:
        return self.builder.dataset.settings.training.seed
