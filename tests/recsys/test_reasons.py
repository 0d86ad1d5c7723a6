from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recsys.model import Snapshot
from recsys.query import Query, Recommendation
from recsys.reasons import CODES, Reason, reasons
from recsys.sources.affinity import AffinityPopular
from recsys.sources.popular import Popular
from recsys.sources.user_neighbours import UserNeighbours

TITLES = ["Milk", "Bread", "Tea 茶", "Jam", "Rice", "Salt", "Soap", "Oats"]
NOW = 1_500_000_000
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


def given(shop: Snapshot, query: Query, answer: Recommendation) -> list[tuple[Reason, ...]]:
    return reasons(shop.model.context, shop.pipeline.sources, query, answer)


def explained(shop: Snapshot, query: Query) -> dict[str, tuple[Reason, ...]]:
    answer = shop.pipeline.recommend(query)
    found = given(shop, query, answer)
    assert len(found) == len(answer.slate)
    return dict(zip(shop.catalogue.titles.many(answer.slate.items), found, strict=True))


@pytest.mark.parametrize(
    ("title", "code", "count", "days", "gap_days"),
    [
        ("Milk", "REGULAR", 3, 5, 10),
        ("Bread", "BOUGHT_BEFORE", 1, 1.5, 0),
        ("Tea 茶", "BOUGHT_BEFORE", 2, 30, 70),
        ("Jam", "VIEWED", 1, 0.2, 0),
    ],
)
def test_an_own_item_is_explained_by_the_users_own_record(
    shop: Snapshot, query_of: QueryOf, title: str, code: str, count: int, days: float, gap_days: float
) -> None:
    (reason,) = explained(shop, query_of(shop, "u00"))[title]
    assert (reason.code, reason.count, reason.items.tolist()) == (code, count, [])
    assert (reason.days, reason.gap_days) == pytest.approx((days, gap_days))


def only(shop: Snapshot, query: Query, source: str, k: int) -> list[tuple[Reason, ...]]:
    """Reasons when ``source`` alone answers with items new to the user."""
    depths = tuple(replace(depth, k=k) for depth in shop.configs["home"].depths if depth.source == source)
    asked = replace(query, limit=k, config=replace(query.config, depths=depths))
    return given(shop, asked, shop.pipeline.recommend(asked))


def test_content_names_the_item_of_the_same_text(shop: Snapshot, query_of: QueryOf) -> None:
    ((reason,),) = only(shop, query_of(shop, "u00"), "content", 1)
    assert (reason.code, reason.items.tolist()) == ("CONTENT", [0])


def test_taste_names_what_the_same_people_take(shop: Snapshot, query_of: QueryOf) -> None:
    ((reason,),) = only(shop, query_of(shop, "u00"), "als", 1)
    assert (reason.code, reason.items.tolist()) == ("TASTE", [1])


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("als", "TASTE"),
        ("ease", "TASTE"),
        ("item-knn", "TASTE"),
        ("two-tower", "TASTE"),
        ("item2vec", "TOGETHER"),
        ("next", "NEXT"),
        ("affinity", "CATEGORY"),
    ],
)
@pytest.mark.parametrize("user", range(12))
def test_what_is_named_was_taken_by_the_user_and_is_of_their_colour(
    board: Snapshot, query_of: QueryOf, source: str, code: str, user: int
) -> None:
    query = query_of(board, f"u{user:02d}", serving_config="discover")
    found = [reason for those in only(board, query, source, 1) for reason in those if reason.code == code]
    assert found
    for reason in found:
        assert 1 <= len(reason.items) <= 2
        assert set(reason.items.tolist()) <= set(query.owned.tolist())
        # On the checkerboard only items of one colour are ever taken by the same person.
        assert {item % 2 for item in reason.items.tolist()} == {user % 2}


def test_what_is_named_comes_with_the_item_more_often_than_by_chance(board: Snapshot, query_of: QueryOf) -> None:
    query = query_of(board, "u00", serving_config="discover")
    own = query.owned
    for name in ("ease", "item-knn", "item2vec", "als", "content"):
        strength = board.pipeline.sources[name].spoken_for(np.array([0, 1, 2], np.int32), own)
        assert strength.shape == (3, len(own))
        # Item 0 is of the colour of all that u00 took, item 1 of the other.
        assert np.median(strength[0]) > np.median(strength[1]), name


def test_neighbours_who_may_only_have_looked_are_not_said_to_buy(board: Snapshot, query_of: QueryOf) -> None:
    query = query_of(board, "u00")
    assert {reason.code for (reason,) in only(board, query, "user-knn", 3)} == {"NEIGHBOURS"}
    looking = [
        replace(source, everything=True) if isinstance(source, UserNeighbours) else source
        for source in board.model.more
    ]
    model = replace(board.model, more=tuple(looking))
    looks = replace(board, model=model, pipeline=model.pipeline(board.rankers, board.pipeline.fusions))
    assert {reason.code for (reason,) in only(looks, query, "user-knn", 3)} == {"CANDIDATE"}


def test_what_has_no_vector_is_spoken_for_by_nothing(board: Snapshot) -> None:
    everything = np.arange(16, dtype=np.int32)
    for name, unknown in (("ease", 15), ("item2vec", 14), ("als", 13), ("content", 14)):
        strength = board.pipeline.sources[name].spoken_for(everything, everything)
        assert not strength[unknown].any(), name
        assert not strength[:, unknown].any(), name
        assert strength.any()


def test_a_table_of_neighbours_speaks_by_its_entries(board: Snapshot) -> None:
    some, own = np.array([7, 2, 5], np.int32), np.array([0, 3], np.int32)
    found = board.pipeline.sources["next"].spoken_for(some, own)
    # Two places further: 1; four places further: a half.
    np.testing.assert_array_equal(found, [[0, 0.5], [1, 0], [0, 1]])


def test_what_has_no_group_is_of_no_kind() -> None:
    codes = np.array([0, 0, 1, -1, -1], np.int32)
    source = AffinityPopular.of(codes, np.ones(5, np.float32))
    found = source.spoken_for(np.array([0, 2, 3], np.int32), np.array([1, 4], np.int32))
    np.testing.assert_array_equal(found, [[1, 0], [0, 0], [0, 0]])


def test_similar_to_something_only_looked_at_is_no_purchase(world: Callable[..., Snapshot], query_of: QueryOf) -> None:
    looked = world([(0, 0, 1.0, 0.1, False), (1, 0, 2), (1, 1, 2)], n_users=2, n_items=2, factors=[[1, 0], [1, 0.1]])
    ((reason,),) = only(looked, query_of(looked, "u00", serving_config="discover", exclude_item_ids=("i00",)), "als", 1)
    assert (reason.code, reason.items.tolist()) == ("VIEWED_LIKE", [0])


def test_nothing_that_was_disliked_is_a_ground(world: Callable[..., Snapshot], query_of: QueryOf) -> None:
    events = [(0, 0, 1.0, 0.0, True), (0, 1, 50.0), (1, 0, 2), (1, 1, 2), (1, 2, 2)]
    shop = world(events, n_users=2, n_items=3, factors=[[1, 0], [0.9, 0.1], [1, 0.05]])
    ((reason,),) = only(shop, query_of(shop, "u00", serving_config="discover"), "als", 1)
    assert (reason.code, reason.items.tolist()) == ("TASTE", [1])


def test_a_similar_item_names_the_context_and_says_in_which_way_it_is_similar(
    shop: Snapshot, query_of: QueryOf
) -> None:
    query = query_of(shop, "", serving_config="similar", context_item_ids=("i01",))
    said = {(reason.code, *reason.items.tolist()) for found in explained(shop, query).values() for reason in found}
    assert said == {("CONTENT", 1), ("SIMILAR", 1)}


def test_two_context_items_are_both_named(shop: Snapshot, query_of: QueryOf) -> None:
    query = query_of(shop, "", serving_config="similar", context_item_ids=("i01", "i02"))
    assert all(reason.items.tolist() == [1, 2] for reason in explained(shop, query)["Salt"])


def test_a_context_item_without_a_text_is_not_called_similar(shop: Snapshot, query_of: QueryOf) -> None:
    query = query_of(shop, "", serving_config="similar", context_item_ids=("i03", "i01"))
    for those in explained(shop, query).values():
        assert all(reason.items.tolist() == [1] for reason in those if reason.code == "CONTENT")
        assert all(reason.items.tolist() == [3, 1] for reason in those if reason.code == "SIMILAR")


def test_the_source_of_the_best_rank_speaks_first_and_two_at_most(
    shop: Snapshot, board: Snapshot, query_of: QueryOf
) -> None:
    found = explained(shop, query_of(shop, "u00", limit=8))
    assert found["Rice"][0].code == "CONTENT"
    assert found["Salt"][0].code == "TASTE"
    many = explained(board, query_of(board, "u00", serving_config="discover"))
    assert max(len(those) for those in many.values()) == 2
    # Several sources go by taste; one of them is enough.
    assert all(len({reason.code for reason in those}) == len(those) for those in many.values())


@pytest.mark.parametrize("user_id", ["u00", "u01", "", "stranger"])
@pytest.mark.parametrize("config", ["home", "discover"])
def test_every_item_has_a_reason_with_a_known_code(
    shop: Snapshot, board: Snapshot, query_of: QueryOf, user_id: str, config: str
) -> None:
    for snapshot in (shop, board):
        found = explained(snapshot, query_of(snapshot, user_id, serving_config=config))
        assert found
        for those in found.values():
            assert 1 <= len(those) <= 2
            assert all(reason.code in CODES for reason in those)


def test_only_what_is_taken_lately_is_called_popular(world: Callable[..., Snapshot], query_of: QueryOf) -> None:
    # In the last four weeks i00 had six buyers and the next three one each; i04 had one long ago, i05 never.
    events = [(user, 0, 2) for user in range(6)] + [(user, user, 3) for user in (1, 2, 3)] + [(0, 4, 90)]
    shop = world(events, n_users=6, n_items=6)
    found = {title: [reason.code for reason in those] for title, those in explained(shop, query_of(shop, "")).items()}
    assert found == {
        "Item 0": ["POPULAR"],
        **{f"Item {item}": ["LATELY"] for item in (1, 2, 3)},
        "Item 4": ["CANDIDATE"],
        "Item 5": ["CANDIDATE"],
    }


def fresh_world(world: Callable[..., Snapshot], created_days: float) -> Snapshot:
    events = [(0, 0, 3), (1, 0, 2), (0, 1, 90), (1, 1, 80)]
    among = np.array([True, False])
    source = Popular.of(np.array([2.0, 1.0], np.float32), "fresh", among=among)
    created = [NOW - created_days * 86_400, 0]
    return world(events, n_users=2, n_items=2, more=(source,), created_at=created)


@pytest.mark.parametrize(("created_days", "code"), [(10, "FRESH"), (400, "POPULAR")])
def test_new_is_what_the_catalogue_has_not_had_for_long(
    world: Callable[..., Snapshot], query_of: QueryOf, created_days: float, code: str
) -> None:
    shop = fresh_world(world, created_days)
    ((reason,),) = only(shop, query_of(shop, ""), "fresh", 1)
    assert (reason.code, reason.place) == (code, "")


def test_who_took_nothing_is_never_told_what_they_took(shop: Snapshot, query_of: QueryOf) -> None:
    found = explained(shop, query_of(shop, "stranger"))
    assert {reason.code for those in found.values() for reason in those} <= {"POPULAR", "LATELY", "CANDIDATE"}


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
    found = given(board, query, replace(answer, provenance=replace(answer.provenance, ranks=ranks)))
    codes = {reason.code for those in found for reason in those}
    assert codes == ({"SEGMENT"} if not with_history else codes & {"TASTE", "CANDIDATE"})
    assert ("TASTE" in codes) is with_history


def test_an_item_without_provenance_still_has_a_reason(shop: Snapshot, query_of: QueryOf) -> None:
    query = query_of(shop, "")
    answer = shop.pipeline.recommend(query)
    nothing = replace(answer.provenance, ranks=np.full_like(answer.provenance.ranks, np.nan))
    found = given(shop, query, replace(answer, provenance=nothing))
    assert {those[0].code for those in found} == {"CANDIDATE"}


def test_an_empty_slate_has_no_reasons(shop: Snapshot, query_of: QueryOf) -> None:
    query = query_of(shop, "u00", allowed=np.zeros(8, bool))
    answer: Recommendation = shop.pipeline.recommend(query)
    assert given(shop, query, answer) == []
