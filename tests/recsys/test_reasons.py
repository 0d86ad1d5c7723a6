from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recsys.model import Snapshot
from recsys.query import Query, Recommendation
from recsys.reasons import Reason, reasons

TITLES = ["Milk", "Bread", "Tea 茶", "Jam", "Rice", "Salt", "Soap", "Oats"]
QueryOf = Callable[..., Query]


@pytest.fixture(scope="module")
def shop(world: Callable[..., Snapshot]) -> Snapshot:
    """u00 takes milk every ten days, took bread once, tea twice, and looked at jam.

    Rice is like milk in its text, salt like bread by its factors; soap is like nothing.
    """
    events = [
        *((0, 0, days) for days in (5, 15, 25)),
        # Looking at milk more often does not make it taken more often.
        *((0, 0, days, 0.1, False) for days in (1, 2, 3, 4)),
        (0, 1, 1.5),
        *((0, 2, days) for days in (30, 100)),
        (0, 3, 0.2, 0.1, False),
        (1, 6, 1),
    ]
    return world(
        events,
        n_users=2,
        n_items=8,
        titles=TITLES,
        vectors=np.eye(4),
        text_of=[0, 1, 2, -1, 0, -1, 3, -1],
        factors=[[1, 0, 0], [0, 1, 0], [0.1, 0, 0], [0, 0, 0.1], [0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]],
        without_factors=(4, 7),
    )


def explained(shop: Snapshot, query: Query) -> dict[str, tuple[Reason, ...]]:
    answer = shop.pipeline.recommend(query)
    found = reasons(shop.model.context, query, answer)
    assert len(found) == len(answer.slate)
    return dict(zip(shop.catalogue.titles.many(answer.slate.items), found, strict=True))


@pytest.mark.parametrize(
    ("title", "code", "text"),
    [
        ("Milk", "REGULAR", "You take this about every 10 days; last 5 days ago"),
        ("Bread", "BOUGHT_BEFORE", "You took this yesterday"),
        ("Tea 茶", "BOUGHT_BEFORE", "You took this 2 times; last 4 weeks ago"),
        ("Jam", "VIEWED", "You looked at this today"),
    ],
)
def test_an_own_item_is_explained_by_the_users_own_record(
    shop: Snapshot, query_of: QueryOf, title: str, code: str, text: str
) -> None:
    (reason,) = explained(shop, query_of(shop, "u00"))[title]
    assert (reason.code, reason.text, reason.items.tolist()) == (code, text, [])


def only(shop: Snapshot, query: Query, source: str, k: int) -> list[tuple[Reason, ...]]:
    """Reasons when ``source`` alone answers with items new to the user."""
    depths = tuple(replace(depth, k=k) for depth in shop.configs["home"].depths if depth.source == source)
    asked = replace(query, limit=k, config=replace(query.config, depths=depths))
    return reasons(shop.model.context, asked, shop.pipeline.recommend(asked))


def test_content_names_the_item_of_the_same_text(shop: Snapshot, query_of: QueryOf) -> None:
    ((reason,),) = only(shop, query_of(shop, "u00"), "content", 1)
    assert (reason.code, reason.text, reason.items.tolist()) == ("CONTENT", "Similar to Milk", [0])


def test_taste_names_what_the_same_people_take(shop: Snapshot, query_of: QueryOf) -> None:
    ((reason,),) = only(shop, query_of(shop, "u00"), "als", 1)
    assert reason.code == "TASTE"
    assert reason.text == "Customers who take Bread also take this"
    assert reason.items.tolist() == [1]


@pytest.mark.parametrize("source", ["als", "ease", "item-knn", "item2vec"])
def test_all_that_go_by_what_people_take_say_so(board: Snapshot, query_of: QueryOf, source: str) -> None:
    ((reason,),) = only(board, query_of(board, "u00", serving_config="discover"), source, 1)
    assert reason.code == "TASTE"
    assert reason.text.startswith("Customers who take Item ")


def test_what_is_popular_says_so(shop: Snapshot, query_of: QueryOf) -> None:
    ((reason,),) = only(shop, query_of(shop, ""), "popular", 1)
    assert (reason.code, reason.text, reason.items.tolist()) == ("POPULAR", "Popular in the last 4 weeks", [])


def test_a_similar_item_names_the_context_and_says_in_which_way_it_is_similar(
    shop: Snapshot, query_of: QueryOf
) -> None:
    query = query_of(shop, "", serving_config="similar", context_item_ids=("i01",))
    said = {(reason.code, reason.text) for found in explained(shop, query).values() for reason in found}
    assert said == {("CONTENT", "Similar to Bread"), ("SIMILAR", "Customers who take Bread also take this")}


def test_two_context_items_are_both_named(shop: Snapshot, query_of: QueryOf) -> None:
    query = query_of(shop, "", serving_config="similar", context_item_ids=("i01", "i02"))
    assert all("Bread and Tea 茶" in reason.text for reason in explained(shop, query)["Salt"])


def test_the_source_of_the_best_rank_speaks_first_and_two_at_most(shop: Snapshot, query_of: QueryOf) -> None:
    query = query_of(shop, "u00", limit=8)
    found = explained(shop, query)
    assert found["Rice"][0].code == "CONTENT"
    assert found["Salt"][0].code == "TASTE"
    assert max(len(those) for those in found.values()) == 2


@pytest.mark.parametrize("user_id", ["u00", "u01", "", "stranger"])
@pytest.mark.parametrize("config", ["home", "discover"])
def test_every_item_has_a_reason_and_every_reason_a_sentence(
    shop: Snapshot, query_of: QueryOf, user_id: str, config: str
) -> None:
    found = explained(shop, query_of(shop, user_id, serving_config=config))
    assert found
    for those in found.values():
        assert 1 <= len(those) <= 2
        assert all(reason.code and reason.text[0].isupper() for reason in those)


def test_who_took_nothing_is_never_told_what_they_took(shop: Snapshot, query_of: QueryOf) -> None:
    found = explained(shop, query_of(shop, "stranger"))
    assert {reason.code for those in found.values() for reason in those} == {"POPULAR"}


@pytest.mark.parametrize("with_history", [True, False])
def test_what_only_a_profile_spoke_for_is_not_said_to_fit_what_was_taken(
    board: Snapshot, query_of: QueryOf, now: int, with_history: bool
) -> None:
    query = query_of(board, "u01", serving_config="discover", at=now if with_history else 1)
    assert bool(len(query.history)) is with_history
    answer = board.pipeline.recommend(query)
    column = answer.provenance.names.index("two-tower")
    ranks = np.full_like(answer.provenance.ranks, np.nan)
    ranks[:, column] = np.arange(len(ranks))
    found = reasons(board.model.context, query, replace(answer, provenance=replace(answer.provenance, ranks=ranks)))
    assert {reason.code for those in found for reason in those} == {"TASTE" if with_history else "SEGMENT"}


def test_an_item_without_provenance_still_has_a_reason(shop: Snapshot, query_of: QueryOf) -> None:
    query = query_of(shop, "")
    answer = shop.pipeline.recommend(query)
    nothing = replace(answer.provenance, ranks=np.full_like(answer.provenance.ranks, np.nan))
    found = reasons(shop.model.context, query, replace(answer, provenance=nothing))
    assert {those[0].code for those in found} == {"CANDIDATE"}


def test_an_empty_slate_has_no_reasons(shop: Snapshot, query_of: QueryOf) -> None:
    query = query_of(shop, "u00", allowed=np.zeros(8, bool))
    answer: Recommendation = shop.pipeline.recommend(query)
    assert reasons(shop.model.context, query, answer) == []


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0.5, "today"),
        (1.9, "yesterday"),
        (2.0, "2 days ago"),
        (13.4, "13 days ago"),
        (14.0, "2 weeks ago"),
        (69.0, "10 weeks ago"),
        (70.0, "2 months ago"),
        (365.0, "12 months ago"),
    ],
)
def test_how_long_ago_is_said_in_words(
    world: Callable[..., Snapshot], query_of: QueryOf, days: float, expected: str
) -> None:
    one = world([(0, 0, days)], n_users=1, n_items=1)
    query = query_of(one, "u00")
    ((reason,),) = reasons(one.model.context, query, one.pipeline.recommend(query))
    assert reason.text == f"You took this {expected}"


def test_two_purchases_within_a_day_are_no_habit(world: Callable[..., Snapshot], query_of: QueryOf) -> None:
    thrice = world([(0, 0, 3.0), (0, 0, 3.1), (0, 0, 3.2)], n_users=1, n_items=1)
    query = query_of(thrice, "u00")
    ((reason,),) = reasons(thrice.model.context, query, thrice.pipeline.recommend(query))
    assert (reason.code, reason.text) == ("BOUGHT_BEFORE", "You took this 3 times; last 3 days ago")
