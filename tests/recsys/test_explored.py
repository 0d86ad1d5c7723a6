"""Exploration in whole lists: where what is drawn comes from, and which rules hold for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recsys.model import Snapshot
from recsys.policy_settings import CapSettings, ExplorationSettings, FreshnessSettings, Promotion
from recsys.query import Query, Recommendation
from recsys.serving import Depth, Scope, ServingConfig

N_ITEMS = 150
NEW = range(100, 130)  # created three days ago, taken by few: none of them is a candidate
DAY = 86_400
EXPLORATION = ExplorationSettings(0.3, 7.0)


@pytest.fixture
def shop(world: Callable[..., Snapshot], now: int) -> Callable[..., Snapshot]:
    """``shop(exploration, **config)``: item 0 is the most popular of 150 and costs 0, item 149 costs 149."""
    created_at = np.where(np.isin(np.arange(N_ITEMS), NEW), now - 3 * DAY, 1)
    events = [(user, item, 2) for item in range(N_ITEMS) for user in range(1 + (N_ITEMS - item) // 5)]

    def made(
        exploration: ExplorationSettings | None = EXPLORATION, depth: int = 30, in_stock: Any = None, **changes: Any
    ) -> Snapshot:
        config = ServingConfig("home", (Depth("popular", depth),), exploration=exploration, **changes)
        return world(
            events,
            n_users=40,
            n_items=N_ITEMS,
            prices=np.arange(N_ITEMS),
            in_stock=in_stock,
            created_at=created_at,
            configs={"home": config},
        )

    return made


def answer(snapshot: Snapshot, query_of: Callable[..., Query], user_id: str = "", **ask: Any) -> Recommendation:
    return snapshot.pipeline.recommend(query_of(snapshot, user_id, **ask))


def explored(found: Recommendation) -> list[int]:
    assert found.explored is not None
    return found.slate.items[found.explored].tolist()


def test_new_items_come_by_chance_with_their_scores_and_the_others_in_their_order(shop: Any, query_of: Any) -> None:
    snapshot = shop()
    plain = answer(shop(None), query_of, limit=20)
    shown = set()
    for user in range(40):
        found = answer(snapshot, query_of, f"u{user:02d}", limit=20)
        drawn = explored(found)
        assert set(drawn) <= set(NEW)
        others = found.slate.items[~np.isin(found.slate.items, drawn)].tolist()
        assert others == plain.slate.items[: len(others)].tolist()
        assert np.isfinite(found.slate.scores).all()
        assert found.propensities is not None
        assert np.array_equal(found.propensities == 0.7, ~np.isin(found.slate.items, drawn))
        shown |= set(drawn)
    assert shown == set(NEW)


def test_without_the_setting_nothing_is_left_to_chance(shop: Any, query_of: Any) -> None:
    plain, none = shop(None), shop(ExplorationSettings(0.0))
    for user in ("", "u01", "u30"):
        query = query_of(plain, user, limit=40)
        assert query.draws is None
        found, other = plain.pipeline.recommend(query), answer(none, query_of, user, limit=40)
        assert found.explored is None
        assert found.propensities is None
        assert (other.explored, other.propensities) == (None, None)
        assert found.slate.items.tolist() == other.slate.items.tolist()
        assert found.slate.scores.tobytes() == other.slate.scores.tobytes()


def test_every_page_is_the_beginning_of_a_longer_page(shop: Any, query_of: Any) -> None:
    promotions = (
        Promotion("far", "price >= 120", share=0.2),
        Promotion("middle", "price > 25 AND price < 60", 0, (2,)),
    )
    weights = {"diversity": 0.4, "spread": 0.2, "freshness": FreshnessSettings(0.3), "caps": CapSettings(3)}
    snapshot = shop(ExplorationSettings(0.5, 7.0), promotions=promotions, **weights)
    for user in ("u03", "u17"):
        whole = answer(snapshot, query_of, user, limit=N_ITEMS)
        assert sorted(whole.slate.items.tolist()) == list(range(N_ITEMS))
        assert len(explored(whole)) > 8
        for limit in (1, 5, 10, 11, 29, 31, 60, 99, 101, 140):
            page = answer(snapshot, query_of, user, limit=limit)
            assert page.slate.items.tolist() == whole.slate.items[:limit].tolist()
            assert page.explored.tolist() == whole.explored[:limit].tolist()
            assert page.propensities.tolist() == whole.propensities[:limit].tolist()
            assert page.promotions == whole.promotions[:limit]


def test_stock_exclusions_filter_and_scope_hold_for_what_is_drawn(shop: Any, query_of: Any) -> None:
    snapshot = shop(scope=Scope.NEW, in_stock=np.arange(N_ITEMS) != 104)
    excluded = tuple(snapshot.catalogue.items.ids([106]))
    ask = {"filter": "price != 105 AND price < 110", "exclude_item_ids": excluded, "limit": 20}
    # Who has taken the first three of them gets what is left of them, and those too are behind one another only: the
    # best would stand first anyway, and is not drawn.
    query = query_of(snapshot, "u09", **ask)
    owned = set(query.owned.tolist())
    assert {100, 101, 102} <= owned
    drawn = set(explored(snapshot.pipeline.recommend(query)))
    assert query.draws.items.tolist() == sorted(set(range(100, 110)) - {104, 105, 106} - owned)
    for at in range(40):
        drawn |= set(explored(answer(snapshot, query_of, "u09", at=query.at + at, **ask)))
    assert drawn == set(query.draws.items.tolist()) - {107}


def test_promotions_have_what_they_would_have(shop: Any, query_of: Any) -> None:
    promotions = (Promotion("far", "price >= 120", share=0.2, slots=(3,)),)
    snapshot, plain = shop(promotions=promotions), shop(None, promotions=promotions)
    for user in range(20):
        found = answer(snapshot, query_of, f"u{user:02d}", limit=30)
        without = answer(plain, query_of, f"u{user:02d}", limit=30)
        assert found.promotions == without.promotions
        kept = [place for place, name in enumerate(without.promotions) if name]
        assert found.slate.items[kept].tolist() == without.slate.items[kept].tolist()
        assert not set(explored(found)) & set(range(120, 130))


def test_one_question_draws_one_answer_and_another_time_or_page_another(shop: Any, query_of: Any) -> None:
    snapshot = shop()

    def items(**ask: Any) -> list[int]:
        return answer(snapshot, query_of, **{"user_id": "u03", "limit": 30, **ask}).slate.items.tolist()  # type: ignore[no-any-return]

    now = query_of(snapshot, "").at
    assert items() == items()
    others = [items(), items(at=now + 1), items(user_id="u04"), items(context_item_ids=("i00",))]
    assert len({tuple(found) for found in others}) == 4


def test_a_batch_answers_as_one_by_one(shop: Any, query_of: Any) -> None:
    snapshot = shop()
    queries = [query_of(snapshot, user, limit=12) for user in ("", "u01", "u30")]
    together = snapshot.pipeline.recommend_many(queries)
    for query, found in zip(queries, together, strict=True):
        alone = snapshot.pipeline.recommend(query)
        assert alone.slate.items.tolist() == found.slate.items.tolist()
        assert alone.slate.scores.tolist() == found.slate.scores.tolist()
        assert alone.propensities.tolist() == found.propensities.tolist()


def test_where_nothing_is_new_everything_is_certain(shop: Any, query_of: Any, now: int) -> None:
    found = answer(shop(), query_of, at=now + 30 * DAY, limit=20)
    assert explored(found) == []
    assert found.propensities.tolist() == [1.0] * 20


def test_what_is_new_and_a_candidate_may_be_drawn_from_behind_the_first_hundred(shop: Any, query_of: Any) -> None:
    # All but twenty are candidates: of the new ones some stand among the first hundred, some behind.
    snapshot = shop(ExplorationSettings(0.5, 7.0), depth=130)
    shown: set[int] = set()
    for user in range(40):
        whole = answer(snapshot, query_of, f"u{user:02d}", limit=N_ITEMS)
        assert sorted(whole.slate.items.tolist()) == list(range(N_ITEMS))
        shown |= set(explored(whole))
    assert shown == set(NEW)


def test_exploration_that_the_order_leaves_out_is_not_made(shop: Any, query_of: Any) -> None:
    assert answer(shop(policies=("caps",)), query_of, limit=10).explored is None


def test_over_many_users_and_times_places_are_explored_as_often_as_the_share_says(shop: Any, query_of: Any) -> None:
    snapshot = shop()
    now = query_of(snapshot, "").at
    queries = [query_of(snapshot, f"u{user:02d}", at=now + at, limit=5) for user in range(40) for at in range(15)]
    found = snapshot.pipeline.recommend_many(queries)
    by_place = np.array([one.explored for one in found])
    n = len(queries)
    assert np.abs(by_place.mean(axis=0) - 0.3).max() < 3.5 * np.sqrt(0.3 * 0.7 / n)
    counts = np.bincount(np.concatenate([one.slate.items[one.explored] for one in found]), minlength=N_ITEMS)[list(NEW)]
    # Draws without replacement within a list vary less than with it: chi-square with 29 degrees, 99.9 % point.
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 58.3


def test_what_was_shown_before_is_cut_with_its_propensities(shop: Any, query_of: Any) -> None:
    found = answer(shop(), query_of, "u03", limit=20)
    left = found.without(found.slate.items[:5].tolist(), limit=10)
    assert left.explored.tolist() == found.explored[5:15].tolist()
    assert left.propensities.tolist() == found.propensities[5:15].tolist()
