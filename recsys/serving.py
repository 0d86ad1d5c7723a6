"""Serving configs: named behaviours. A request names one; everything it implies stands here, frozen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from recsys.policy_settings import (
    CAPS,
    DIVERSITY,
    EXPLORATION,
    FRESHNESS,
    POLICIES,
    PROMOTIONS,
    SPREAD,
    CapSettings,
    ExplorationSettings,
    FreshnessSettings,
    Promotion,
    check_order,
    check_promotions,
)

# What each log of relevance to a text weighs against the log-odds that the user takes the item. Of 1 to 12 the one by
# which made-up queries of a past window found what was then bought, by name and by category, at the best mean
# reciprocal rank (tests/benchmarks/search_relevance.py, Complete Journey). A larger one is better for names, a smaller
# for needs.
RELEVANCE_WEIGHT = 6.0


class Scope(StrEnum):
    """Which part of the allowed items a source may return."""

    ANY = "any"
    NEW = "new"  # only items the user does not own
    OWNED = "owned"  # only items the user owns


@dataclass(frozen=True, slots=True)
class Depth:
    """How many hits a serving config takes from ``source``, and from which part of the catalogue."""

    source: str
    k: int
    scope: Scope = Scope.ANY


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """A named behaviour.

    scope: what may be shown at all · depths: sources in the order of the features · ranker: name of the ranker that
    orders the candidates; "" fuses the sources by reciprocal rank · page_size: answer length when none is asked for ·
    needs_context: an answer only makes sense beside known context items, which it never contains · diversity: what an
    item must have in log-odds to stand beside a copy of itself · spread: what each log of popularity costs in log-odds.
    With both at 0 the ranker's order stands. ValueError when one is negative or no number. description: for people, in
    a sentence; "" in snapshots of before schema 4 · policies: the order in which they are applied; what it does not
    name is not · freshness, caps, promotions: as in their classes, None or () = none · relevance: above 0 an answer
    only makes sense to a text, and so much in log-odds weighs each log of an item's relevance to it ·
    filter: what may be shown at all, AIP-160 over the catalogue's columns; "" is every item ·
    exploration: which places go to new items by chance, None = none.
    """

    name: str
    depths: tuple[Depth, ...]
    ranker: str = ""
    scope: Scope = Scope.ANY
    page_size: int = 20
    needs_context: bool = False
    diversity: float = 0.0
    spread: float = 0.0
    description: str = ""
    policies: tuple[str, ...] = POLICIES
    freshness: FreshnessSettings | None = None
    caps: CapSettings | None = None
    promotions: tuple[Promotion, ...] = ()
    relevance: float = 0.0
    filter: str = ""
    exploration: ExplorationSettings | None = None

    def __post_init__(self) -> None:
        if not all(0 <= weight < math.inf for weight in (self.diversity, self.spread, self.relevance)):
            raise ValueError(f"diversity, spread and relevance of {self.name!r} must be numbers of at least 0")
        check_order(self.policies)
        check_promotions(self.promotions)

    @property
    def filters(self) -> tuple[str, ...]:
        """All filters it has: of what may be shown, then of its promotions."""
        own = (self.filter,) if self.filter else ()
        return (*own, *(promotion.filter for promotion in self.promotions))

    @property
    def needs_query(self) -> bool:
        """Whether an answer only makes sense to a text."""
        return self.relevance > 0

    @property
    def active(self) -> tuple[str, ...]:
        """The policies that have something to say, in order."""
        has = {
            FRESHNESS: self.freshness is not None and self.freshness.weight > 0,
            SPREAD: self.spread > 0,
            DIVERSITY: self.diversity > 0,
            CAPS: self.caps is not None,
            PROMOTIONS: bool(self.promotions),
            EXPLORATION: self.exploration is not None and self.exploration.share > 0,
        }
        return tuple(name for name in self.policies if has[name])

    def varied(self, diversity: float) -> ServingConfig:
        """The same with another ``diversity`` in log-odds, which counts even where ``policies`` does not name it."""
        # What is weighed is summed: where among the weights it stands makes no difference.
        named = self.policies if DIVERSITY in self.policies else (DIVERSITY, *self.policies)
        return replace(self, diversity=diversity, policies=named)

    def to_json(self) -> dict[str, Any]:
        """Plain values, the inverse of ``from_json``."""
        values = asdict(self)
        if not self.description:
            # So that a manifest from before there were descriptions stays as it was signed.
            del values["description"]
        # The same for what came later still.
        later = {
            "policies": POLICIES,
            "freshness": None,
            "caps": None,
            "promotions": (),
            "relevance": 0.0,
            "filter": "",
            "exploration": None,
        }
        for name, default in later.items():
            if getattr(self, name) == default:
                del values[name]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ServingConfig:
        """The config that ``to_json`` wrote."""
        depths = tuple(Depth(d["source"], int(d["k"]), Scope(d["scope"])) for d in values["depths"])
        return cls(
            name=values["name"],
            depths=depths,
            ranker=values["ranker"],
            scope=Scope(values["scope"]),
            page_size=int(values["page_size"]),
            needs_context=bool(values["needs_context"]),
            diversity=float(values["diversity"]),
            spread=float(values["spread"]),
            description=str(values.get("description", "")),
            policies=tuple(values.get("policies", POLICIES)),
            freshness=FreshnessSettings.from_json(values["freshness"]) if "freshness" in values else None,
            caps=CapSettings.from_json(values["caps"]) if "caps" in values else None,
            promotions=tuple(Promotion.from_json(one) for one in values.get("promotions", ())),
            relevance=float(values.get("relevance", 0.0)),
            filter=str(values.get("filter", "")),
            exploration=ExplorationSettings.from_json(values["exploration"]) if "exploration" in values else None,
        )


def built_in() -> dict[str, ServingConfig]:
    """The serving configs every snapshot has.

    Sources of new items look only among items the user does not own: leaving owned ones in and dropping them
    afterwards would empty their lists for faithful customers. Depths: 200 to 300 candidates carry all of NDCG@10.
    A rebuild gives home and discover the policy weights that its validation bears. Buying again is no matter of
    variety. Beside an item its own variants would come first: there a copy must have e times the odds of something
    else.
    """
    new = (
        Depth("als", 50, Scope.NEW),
        Depth("content", 20, Scope.NEW),
        Depth("popular", 50, Scope.NEW),
        Depth("similar-als", 30, Scope.NEW),
        Depth("similar-content", 20, Scope.NEW),
        Depth("ease", 60, Scope.NEW),
        Depth("item-knn", 30, Scope.NEW),
        Depth("user-knn", 40, Scope.NEW),
        Depth("next", 30, Scope.NEW),
        Depth("item2vec", 40, Scope.NEW),
        Depth("affinity", 40, Scope.NEW),
        Depth("segment", 20, Scope.NEW),
        Depth("first", 40, Scope.NEW),
        Depth("trending", 20, Scope.NEW),
        Depth("fresh", 20, Scope.NEW),
        Depth("two-tower", 40, Scope.NEW),
    )
    configs = (
        ServingConfig(
            "home",
            (Depth("history", 120), *new),
            ranker="home",
            description="What the user is likely to take next, again or for the first time",
        ),
        ServingConfig(
            "discover",
            (Depth("history", 120), *new),
            ranker="discover",
            scope=Scope.NEW,
            description="Only what the user does not have yet",
        ),
        ServingConfig(
            "buy-again",
            (Depth("history", 200),),
            ranker="home",
            scope=Scope.OWNED,
            description="Only what the user already has",
        ),
        ServingConfig(
            "similar",
            (Depth("similar-als", 100), Depth("similar-content", 100)),
            needs_context=True,
            diversity=1.0,
            description="What is like the items on the page",
        ),
        ServingConfig(
            "search",
            (Depth("history", 120), *new),
            ranker="home",
            relevance=RELEVANCE_WEIGHT,
            description="What fits a text, in the order in which the user is likely to take it",
        ),
    )
    return {config.name: config for config in configs}
