"""What every policy keeps, whatever it weighs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.draws import Draws
from recsys.model import Snapshot
from recsys.policies.caps import Caps
from recsys.policies.chain import policies_of, select
from recsys.policies.diversity import Diversity
from recsys.policies.exploration import Exploration
from recsys.policies.freshness import Freshness
from recsys.policies.promotions import Promotions
from recsys.policies.protocol import Policy
from recsys.policies.spread import Spread
from recsys.policy_settings import CapSettings, Promotion
from recsys.query import Query, Slate
from recsys.serving import ServingConfig

N_ITEMS = 16
WEIGHTED: dict[str, Policy] = {
    "diversity": Diversity(0.8, Spread(0.0)),
    "diversity of fused ranks": Diversity(0.8, Spread(0.0, trained=False)),
    "spread": Spread(0.7),
    "spread of fused ranks": Spread(0.7, trained=False),
    "both": Diversity(0.8, Spread(0.7)),
    "freshness": Freshness(0.7, 30),
    "freshness of fused ranks": Freshness(0.7, 30, trained=False),
    "freshness with spread": Spread(0.3, freshness=Freshness(0.7, 30)),
}
PLACING: dict[str, Policy] = {
    "caps": Caps(CapSettings(category=3)),
    "caps of both": Caps(CapSettings(category=2, brand=4, level=1)),
    "slots": Promotions((Promotion("odd", "x", slots=(2, 5)),)),
    "share": Promotions((Promotion("odd", "x", share=0.6),)),
    "exploration": Exploration(),
}
WEIGHTLESS: dict[str, Policy] = {
    "diversity": Diversity(0.0, Spread(0.0)),
    "diversity of fused ranks": Diversity(0.0, Spread(0.0, trained=False)),
    "spread": Spread(0.0),
    "spread of fused ranks": Spread(0.0, trained=False),
    "freshness": Freshness(0.0, 30),
    "caps that nothing exceeds": Caps(CapSettings(category=10, brand=10)),
    "promotions of what stands there": Promotions((Promotion("odd", "x", slots=(1,)),)),
    "exploration of nothing": Exploration(),
}
EVERY = {**WEIGHTED, **PLACING}


def ranked(scores: object, items: object = range(N_ITEMS)) -> Slate:
    return Slate(frozen(list(items), np.int32), frozen(scores, np.float32))  # type: ignore[call-overload]


SLATES = {
    "falling": ranked(np.linspace(2, -2, N_ITEMS)),
    "other items": ranked([3, 2.9, 2.8, 0.5, -1], [9, 14, 1, 15, 0]),
    "ties": ranked(np.ones(N_ITEMS), reversed(range(N_ITEMS))),
    "some without a score": ranked([1.0, 0.5, 0.4, np.nan, np.nan, np.nan], [2, 4, 6, 8, 10, 15]),
    "none with a score": ranked(np.full(N_ITEMS, np.nan)),
    "endless": ranked([np.inf, 1.0, -np.inf, np.nan], [3, 5, 7, 9]),
    "one": ranked([0.3], [7]),
    "empty": ranked([], []),
}


@pytest.fixture(params=EVERY)
def policy(request: pytest.FixtureRequest) -> Policy:
    return EVERY[request.param]


@pytest.fixture(params=SLATES)
def slate(request: pytest.FixtureRequest) -> Slate:
    return SLATES[request.param]


@pytest.fixture(scope="module")
def board(board: Snapshot) -> Snapshot:
    """The checkerboard, of two categories and three brands; items 1 and 13 are new, promotions are for odd items."""
    catalogue = replace(
        board.catalogue,
        codes={
            **board.catalogue.codes,
            "category_1": frozen([[0, 1, -1][i % 3] for i in range(N_ITEMS)], np.int32),
            "brand": frozen([[0, 0, 1, -1][i % 4] for i in range(N_ITEMS)], np.int32),
        },
        created_at=frozen([board.last_event_at if i in (1, 13) else 1 for i in range(N_ITEMS)], np.int64),
    )
    return replace(board, model=replace(board.model, context=replace(board.model.context, catalogue=catalogue)))


@pytest.fixture
def query(board: Snapshot, query_of: Callable[..., Query]) -> Query:
    odd = np.packbits(np.arange(N_ITEMS) % 2 == 1)
    draws = Draws.of(("any",), frozen([4, 6, 12, 14], np.int32), share=0.5, n_places=100)
    return replace(query_of(board, "u00", limit=N_ITEMS), promoted=(odd,), draws=draws)


@pytest.mark.parametrize("limit", [1, 9, 100])
def test_positions_are_within_the_slate_and_none_comes_twice(
    policy: Policy, slate: Slate, board: Snapshot, query: Query, limit: int
) -> None:
    positions = policy.select(replace(query, limit=limit), slate, board.model.context)
    assert positions.dtype == np.int64
    assert len(np.unique(positions)) == len(positions)
    assert np.isin(positions, np.arange(len(slate))).all()


def test_these_policies_drop_nothing(policy: Policy, slate: Slate, board: Snapshot, query: Query) -> None:
    assert len(policy.select(query, slate, board.model.context)) == len(slate)


def test_the_same_slate_is_ordered_the_same_way(policy: Policy, slate: Slate, board: Snapshot, query: Query) -> None:
    first, second = (policy.select(query, slate, board.model.context).tolist() for _ in range(2))
    assert first == second


def test_a_weighted_policy_moves_something(policy: Policy, board: Snapshot, query: Query) -> None:
    # Item 12 is the most popular and item 4 a copy of item 0; those after them are worth next to nothing less.
    items = [0, 2, 3, 5, 6, 7, 8, 9, 12, 4, 1, 10, 11, 13, 14, 15]
    close = ranked([1.0] * 8 + [0.5001] * 2 + [0.5] * 2 + [0.0] * 4, items)
    assert policy.select(query, close, board.model.context).tolist() != list(range(N_ITEMS))


def test_a_page_is_the_beginning_of_a_longer_page(policy: Policy, slate: Slate, board: Snapshot, query: Query) -> None:
    longest = policy.select(replace(query, limit=100), slate, board.model.context).tolist()
    for limit in (1, 3, 10, 11, 16):
        shorter = policy.select(replace(query, limit=limit), slate, board.model.context).tolist()
        assert shorter[:limit] == longest[:limit]


@pytest.mark.parametrize("name", WEIGHTED)
def test_what_has_no_score_is_weighed_last_and_in_its_order(name: str, board: Snapshot, query: Query) -> None:
    policy = WEIGHTED[name]
    positions = policy.select(query, SLATES["some without a score"], board.model.context).tolist()
    assert positions[3:] == [3, 4, 5]
    nothing = policy.select(query, SLATES["none with a score"], board.model.context).tolist()
    assert nothing == list(range(N_ITEMS))


@pytest.mark.parametrize("name", WEIGHTLESS)
def test_without_weight_the_rankers_order_stands(name: str, slate: Slate, board: Snapshot, query: Query) -> None:
    # What is promoted here is the best of each slate.
    asked = replace(query, promoted=(np.packbits(np.isin(np.arange(N_ITEMS), slate.items[:1])),), draws=None)
    positions = WEIGHTLESS[name].select(asked, slate, board.model.context)
    assert positions.tolist() == list(range(len(slate)))


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize(
    ("diversity", "spread", "expected"),
    [(0, 0, ()), (0, 0.2, (Spread,)), (0.3, 0, (Diversity,)), (0.3, 0.2, (Diversity,))],
)
def test_a_config_names_its_policies(
    diversity: float, spread: float, expected: tuple[type, ...], trained: bool
) -> None:
    config = ServingConfig("odd", (), diversity=diversity, spread=spread)
    policies = policies_of(config, trained=trained)
    assert tuple(type(policy) for policy in policies) == expected
    for policy in policies:
        weighed = policy.spread if isinstance(policy, Diversity) else policy
        assert weighed == Spread(spread, trained)


def test_each_policy_sees_what_the_one_before_it_left(board: Snapshot, query: Query) -> None:
    class FirstThreeReversed:
        def select(self, query: Query, slate: Slate, context: object) -> np.ndarray:
            return np.arange(min(3, len(slate)))[::-1]

    slate = SLATES["other items"]
    context = board.model.context
    assert select((), query, slate, context).tolist() == [0, 1, 2, 3, 4]
    assert select([FirstThreeReversed()], query, slate, context).tolist() == [2, 1, 0]
    assert select([FirstThreeReversed()] * 2, query, slate, context).tolist() == [0, 1, 2]
