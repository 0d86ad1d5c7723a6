"""The policies of a serving config, and their application one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recsys.arrays import Bool, Float64, Int64, frozen
from recsys.context import Context
from recsys.policies.caps import Caps
from recsys.policies.diversity import Diversity
from recsys.policies.exploration import Exploration
from recsys.policies.freshness import Freshness
from recsys.policies.promotions import Promotions
from recsys.policies.protocol import Policy
from recsys.policies.spread import Spread
from recsys.policy_settings import CAPS, DIVERSITY, EXPLORATION, FRESHNESS, PROMOTIONS, SPREAD, WEIGHING
from recsys.query import PolicyStep, Query, Slate
from recsys.serving import ServingConfig

# A policy by its name.
Named = tuple[str, Policy]


@dataclass(frozen=True, slots=True)
class Selected:
    """positions (M,) into the slate, best first · promoted: by position the promotion that brought it further up than
    it would stand · steps: what each policy moved, when the query wants that accounted for · explored, propensities
    (M,): as in ``Recommendation``.
    """

    positions: Int64
    promoted: Mapping[int, str]
    steps: tuple[PolicyStep, ...]
    explored: Bool | None = None
    propensities: Float64 | None = None

    def of_places(self, n: int) -> tuple[tuple[str, ...], Bool | None, Float64 | None]:
        """Promotions by name, explored and propensities of the first ``n`` places; () and None where nothing brought or
        drew any. What stands behind the selected ones stands there by itself, for certain.
        """
        names = [self.promoted.get(position, "") for position in self.positions.tolist()] if self.promoted else []
        promotions = tuple([*names, *[""] * n][:n]) if names else ()
        if self.explored is None or self.propensities is None:
            return promotions, None, None
        explored = np.concatenate([self.explored, np.zeros(n, np.bool_)])[:n]
        propensities = np.concatenate([self.propensities, np.ones(n)])[:n]
        return promotions, frozen(explored, np.bool_), frozen(propensities, np.float64)


NOTHING_SELECTED = Selected(frozen([], np.int64), {}, ())


def steps_of(config: ServingConfig, *, trained: bool) -> tuple[Named, ...]:
    """What ``config`` asks for, in order; () when the ranker's order stands. trained: scores are a forest's.

    What weighs is summed up: each such policy is that of its name and those before it together, on the ranker's order.
    """
    steps: list[Named] = []
    seen = set()
    for name in config.active:
        seen.add(name)
        if name == CAPS and config.caps is not None:
            steps.append((name, Caps(config.caps)))
        elif name == PROMOTIONS:
            steps.append((name, Promotions(config.promotions)))
        elif name == EXPLORATION:
            steps.append((name, Exploration()))
        else:
            steps.append((name, _weighed(config, seen, trained)))
    return tuple(steps)


def policies_of(config: ServingConfig, *, trained: bool) -> tuple[Policy, ...]:
    """The policies that decide a list by ``config``, in order: of those that weigh, the last, which is all of them."""
    steps = steps_of(config, trained=trained)
    return tuple(policy for place, (_, policy) in enumerate(steps) if not _is_summed_up(steps, place))


def select(policies: Sequence[Policy], query: Query, slate: Slate, context: Context) -> Int64:
    """Positions into ``slate`` that are left when every policy has seen what the one before it left."""
    positions: Int64 = np.arange(len(slate))
    for policy in policies:
        positions = positions[policy.select(query, _part(slate, positions), context)]
    return positions


def applied(steps: Sequence[Named], query: Query, slate: Slate, context: Context, *, n_spare: int = 0) -> Selected:
    """``slate`` after all ``steps``. n_spare: its last rows are not in the list but may be promoted or
    drawn into it.
    """
    everything: Int64 = np.arange(len(slate))
    listed, spare = everything[: len(slate) - n_spare], everything[len(slate) - n_spare :]
    positions = listed
    brought: dict[int, str] = {}
    stood: dict[int, int] = {}
    told = []
    explored = propensities = None
    for place, (name, policy) in enumerate(steps):
        if not query.account and _is_summed_up(steps, place):
            continue
        if isinstance(policy, Promotions):
            if not query.promoted:
                continue
            seen = np.concatenate([positions, spare])
            order, names = replace(policy, n_spare=n_spare).placed(query, _part(slate, seen))
            brought = {int(seen[position]): promotion for position, promotion in names.items()}
            stood = {position: at for at, position in enumerate(positions.tolist())}
        elif isinstance(policy, Exploration):
            if query.draws is None:
                continue
            # Promotions may have brought some of them in; those that may be drawn they leave alone.
            seen = np.concatenate([positions, spare[query.draws.among(slate.items[spare])]])
            found = replace(policy, n_spare=len(seen) - len(positions)).placed(query, _part(slate, seen))
            order = np.array([one.position for one in found], np.int64)
            explored = np.array([one.is_explored for one in found], np.bool_)
            propensities = np.array([one.propensity for one in found], np.float64)
        else:
            seen = listed if name in WEIGHING else positions
            order = policy.select(query, _part(slate, seen), context)
        after = seen[order]
        if query.account:
            told.append(PolicyStep(name, n_moved=_n_moved(positions, after, query.account)))
        positions = after
    promoted = _further_up(positions, brought, stood) if brought else brought
    return Selected(positions, promoted, tuple(told), explored, propensities)


def _weighed(config: ServingConfig, names: set[str], trained: bool) -> Policy:
    settings = config.freshness if FRESHNESS in names else None
    freshness = None if settings is None else Freshness(settings.weight, settings.half_life_days, trained)
    spread = Spread(config.spread if SPREAD in names else 0.0, trained, freshness)
    if DIVERSITY in names:
        return Diversity(config.diversity, spread)
    return freshness if freshness is not None and SPREAD not in names else spread


def _is_summed_up(steps: Sequence[Named], place: int) -> bool:
    """Whether the next policy weighs what this one does, and more."""
    return steps[place][0] in WEIGHING and place + 1 < len(steps) and steps[place + 1][0] in WEIGHING


def _part(slate: Slate, positions: Int64) -> Slate:
    return Slate(frozen(slate.items[positions], np.int32), frozen(slate.scores[positions], np.float32))


def _n_moved(before: Int64, after: Int64, n: int) -> int:
    """Of the first ``n`` places those that hold something else than before."""
    both = min(len(before), len(after), n)
    longer = min(max(len(before), len(after)), n) - both
    return int(np.count_nonzero(before[:both] != after[:both])) + longer


def _further_up(positions: Int64, brought: Mapping[int, str], stood: Mapping[int, int]) -> dict[int, str]:
    """Of what promotions brought in, that which stands further up than it did before, whatever came later."""
    at = {position: place for place, position in enumerate(positions.tolist())}
    last = len(positions)
    return {position: name for position, name in brought.items() if at[position] < stood.get(position, last)}
