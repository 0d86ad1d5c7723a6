"""A snapshot with changes laid over it, against the same shop built anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.ask import Ask, resolve
from recsys.errors import FilterError, NotFound
from recsys.features.assemble import assemble
from recsys.model import Snapshot
from recsys.overlay.overlay import Basis
from recsys.overlay.rows import is_restocked
from recsys.query import Candidates
from recsys.stores.records import LiveItem

from .shop import DAY, NOW, Thing, built, live, things, vector_of, vectors_of

NEW = [
    Thing("x0", "Kettle steel", "Tools", "Brand 1", 30.0, created_at=NOW - DAY, attributes={"colour": "red"}),
    Thing("x1", "Oolong leaves", "Food > Tea", "Brand 9", 12.5, created_at=NOW - DAY, attributes={"size": "3"}),
    Thing("x2", "Nameless"),
]
CHANGED = {
    3: {"category": "Tools", "brand": "Brand 2"},
    5: {"title": "Another name", "price": 99.0},
    7: {"brand": "Brand 77", "attributes": {"colour": "blue", "size": "4"}},
    22: {"category": "", "brand": "", "created_at": NOW - 3 * DAY},
}


def changed_things() -> list[Thing]:
    return [replace(thing, **CHANGED.get(place, {})) for place, thing in enumerate(things())]


def changes() -> list[LiveItem]:
    now = changed_things()
    known = [live(now[place], 1, is_created=False, created_us=0) for place in CHANGED]
    return [*known, *(live(thing, 2 + place) for place, thing in enumerate(NEW))]


@pytest.fixture(scope="module")
def laid_over() -> Snapshot:
    now = changed_things()
    found = Basis(built(things())).over(changes(), vectors_of(*NEW, *(now[place] for place in CHANGED)))
    assert not found.waiting
    return found.snapshot


@pytest.fixture(scope="module")
def anew() -> Snapshot:
    return built([*changed_things(), *NEW])


def queries(snapshot: Snapshot) -> list[Any]:
    asks = [Ask(at=NOW, user_id=user_id, context_item_ids=("i03", "x1")) for user_id in ("u00", "u01", "u07", "")]
    return [resolve(ask, snapshot).query for ask in asks]


def everything(snapshot: Snapshot) -> Candidates:
    n, names = len(snapshot.catalogue), tuple(snapshot.pipeline.sources)
    nothing = np.full((n, len(names)), np.nan, np.float32)
    return Candidates(np.arange(n, dtype=np.int32), names, nothing, nothing)


def test_every_feature_of_every_item_is_what_the_shop_built_anew_has(laid_over: Snapshot, anew: Snapshot) -> None:
    """But for what the new items' place in their category is thought to be, which they are given in advance."""
    assert laid_over.feature_names == anew.feature_names
    tables = []
    for snapshot in (laid_over, anew):
        asked = queries(snapshot)
        found = assemble(snapshot.pipeline.families, asked, [everything(snapshot)] * 4, snapshot.model.context)[0]
        tables.append(dict(zip(snapshot.feature_names, found.T, strict=True)))
    one, other = tables
    for name in one:
        if name not in ("affinity_closeness", "als_closeness"):
            np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(one["als_closeness"], other["als_closeness"], rtol=1e-4, atol=1e-5)
    assert any((one["affinity_closeness"] > 0)[24::27])


def test_statistics_of_a_new_item_are_those_of_a_fit_that_has_no_event_of_it(
    laid_over: Snapshot, anew: Snapshot
) -> None:
    late = np.arange(24, 27)
    one, other = (snapshot.model.context.statistics.values[late] for snapshot in (laid_over, anew))
    assert one.tobytes() == other.tobytes()


def test_the_catalogue_tells_what_is_so_now(laid_over: Snapshot, anew: Snapshot) -> None:
    numbers = np.arange(27)
    one, other = laid_over.catalogue, anew.catalogue
    assert one.items.ids(numbers) == other.items.ids(numbers)
    for name in ("titles", "categories", "brands"):
        assert getattr(one, name).many(numbers) == getattr(other, name).many(numbers)
        assert [getattr(one, name)[int(number)] for number in numbers] == getattr(other, name).many(numbers)
    for name in ("prices", "in_stock", "created_at"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    ids = ["x2", "i00", "nobody", "x0", "i23"]
    np.testing.assert_array_equal(one.items.numbers(ids), [26, 0, -1, 24, 23])
    assert [one.items.number(id) for id in ids] == [26, 0, None, 24, 23]
    assert [one.items.id(number) for number in (0, 24)] == ["i00", "x0"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "price < 20",
        "NOT price < 20",
        'category:"Tools"',
        'category:"Food > Tea" AND NOT brand = "Brand 9"',
        'brand = "Brand 77"',
        "oolong",
        'title:"another"',
        'created_at > "2017-07-10"',
        'attributes.colour = "blue" OR attributes.colour = "red"',
        "attributes.size >= 3",
        "NOT attributes.size:*",
        "in_stock = true",
    ],
)
def test_filters_see_what_is_so_now(laid_over: Snapshot, anew: Snapshot, text: str) -> None:
    np.testing.assert_array_equal(laid_over.filters.mask(text), anew.filters.mask(text))
    np.testing.assert_array_equal(laid_over.filters.bits(text), anew.filters.bits(text))


def test_an_attribute_that_the_snapshot_lacks_can_be_filtered_by_at_once() -> None:
    base = Basis(built(things()))
    with pytest.raises(FilterError):
        base.snapshot.filters.check("attributes.watts > 1000")
    fields = {"attributes.watts": 1500.0, "attributes.plug": "UK"}
    watts = LiveItem("i02", fields, 1)
    now = base.over([watts], {}).snapshot
    assert np.flatnonzero(now.filters.mask("attributes.watts > 1000")).tolist() == [2]
    assert np.flatnonzero(now.filters.mask('attributes.plug = "UK"')).tolist() == [2]
    later = base.over([watts, live(NEW[0], 2)], {}, now).snapshot
    assert np.flatnonzero(later.filters.mask("attributes.watts > 1000")).tolist() == [2]
    assert np.flatnonzero(later.filters.mask("NOT attributes.watts:*")).tolist() == [*range(2), *range(3, 25)]
    assert np.flatnonzero(later.filters.mask("price = 30")).tolist() == [24]


def test_searches_find_words_and_meanings_as_the_shop_built_anew_does(laid_over: Snapshot, anew: Snapshot) -> None:
    everything = np.ones(27, bool)
    for text in ("oolong", "another name", "thing number5", "tools", "brand"):
        for vector in (None, vector_of(text)):
            one, other = (snapshot.relevant(text, vector, everything) for snapshot in (laid_over, anew))
            assert set(one.items.tolist()) == set(other.items.tolist()), text
    assert laid_over.relevant("oolong", None, everything).items.tolist() == [25]
    assert 5 not in laid_over.relevant("number5", None, everything).items.tolist()


def test_content_finds_new_texts_in_their_place_among_the_old(laid_over: Snapshot, anew: Snapshot) -> None:
    for one, other in zip(queries(laid_over), queries(anew), strict=True):
        for name in ("content", "similar-content"):
            hits, expected = (
                snapshot.pipeline.sources[name].retrieve(query, 40)
                for snapshot, query in ((laid_over, one), (anew, other))
            )
            assert hits.items.tolist() == expected.items.tolist()
            np.testing.assert_allclose(hits.scores, expected.scores, rtol=1e-4, atol=1e-6)


def test_popularity_comes_to_new_items_last(laid_over: Snapshot) -> None:
    query = queries(laid_over)[3]
    everyone = laid_over.pipeline.sources["popular"].retrieve(query, 40).items.tolist()
    assert sorted(everyone) == sorted(np.flatnonzero(query.allowed).tolist())
    assert everyone[-3:] == [24, 25, 26][: len(everyone[-3:])]
    assert {24, 25, 26} <= set(laid_over.pipeline.sources["fresh"].retrieve(query, 40).items.tolist())


def test_who_likes_the_category_or_the_brand_is_given_a_new_item_at_once() -> None:
    now = Basis(built(things(), with_texts=False)).over([live(thing, 1) for thing in NEW], {}).snapshot
    query = resolve(Ask(at=NOW, user_id="u01"), now).query
    hits = now.pipeline.sources["affinity"].retrieve(query, 40)
    found = dict(zip(hits.items.tolist(), hits.scores.tolist(), strict=True))
    assert found[24] > 0
    assert found[25] > 0
    assert 26 not in found, "of neither category nor brand"


def test_a_new_item_counts_as_the_mean_item_of_its_category() -> None:
    unbranded = replace(NEW[0], brand="")
    now = Basis(built(things())).over([live(unbranded, 1)], {}).snapshot
    query = resolve(Ask(at=NOW, user_id="u00"), now).query
    hits = now.pipeline.sources["affinity"].retrieve(query, 40)
    found = dict(zip(hits.items.tolist(), hits.scores.tolist(), strict=True))
    tools = [found.get(item, 0.0) for item in range(2, 24, 3)]
    assert found[24] == pytest.approx(np.mean(tools), rel=1e-5)


def test_deleted_items_are_in_no_answer_and_named_as_missing() -> None:
    base = Basis(built(things()))
    gone = [LiveItem("i00", {}, 5, is_deleted=True), live(NEW[0], 3, is_deleted=True)]
    now = base.over(gone, {}).snapshot
    for out_of_stock_too in (False, True):
        ask = Ask(at=NOW, user_id="u01", limit=200, include_out_of_stock=out_of_stock_too)
        answer = now.answer(ask)
        assert len(answer) == 23
        assert not {"i00", "x0"} & set(answer)
    resolved = resolve(Ask(at=NOW, user_id="u01", context_item_ids=("i00", "i01", "x0")), now)
    assert resolved.missing_ids == ("i00", "x0")
    assert resolved.query.context_items.tolist() == [1]
    with pytest.raises(NotFound):
        resolve(Ask(at=NOW, serving_config="similar", context_item_ids=("i00",)), now)


def test_what_a_rebuild_was_told_is_gone_comes_back_by_a_change_of_its_own() -> None:
    shop = built(things())
    catalogue = replace(shop.catalogue, gone=frozen([0, 1], np.int32))
    context = replace(shop.model.context, catalogue=catalogue)
    base = replace(shop, model=replace(shop.model, context=context), pipeline=replace(shop.pipeline, context=context))
    everything = Ask(at=NOW, limit=200, include_out_of_stock=True)
    assert not {"i00", "i01"} & set(base.answer(everything))
    now = Basis(base).over([live(things()[1], 3), LiveItem("i05", {"price": 2.0}, 4)], {}).snapshot
    assert "i00" not in now.answer(everything)
    assert {"i01", "i05"} <= set(now.answer(everything))


def test_what_the_snapshot_has_as_taken_out_stays_out_until_it_is_created_again() -> None:
    whole = built(things())
    context = whole.model.context
    without = replace(context, catalogue=replace(context.catalogue, gone=np.array([3, 4], np.int32)))
    base = Basis(replace(whole, model=replace(whole.model, context=without)))
    now = base.over([live(things()[4], 1), LiveItem("i09", {}, 2, is_deleted=True)], {}).snapshot
    assert now.catalogue.gone.tolist() == [3, 9]


@pytest.mark.parametrize(
    ("fields", "is_sold"),
    [
        ({"stock": 0}, False),
        ({"stock": 3}, True),
        ({"stock": 0, "in_stock": True}, False),
        ({"stock": None, "in_stock": False}, False),
        ({"stock": None}, True),
        ({"price": 2.0}, True),
    ],
)
def test_stock_says_what_can_be_sold(fields: dict[str, Any], is_sold: bool) -> None:
    now = Basis(built(things())).over([LiveItem("i04", fields, 1)], {}).snapshot
    assert bool(now.catalogue.in_stock[4]) is is_sold
    assert ("i04" in now.answer(Ask(at=NOW, limit=200))) is is_sold


def test_what_was_never_created_is_no_item_yet() -> None:
    base = Basis(built(things()))
    held = LiveItem("later", {"stock": 3}, 1)
    assert base.over([held], {}).snapshot is base.snapshot
    assert base.over([], {}).snapshot is base.snapshot


def test_what_a_rebuild_has_taken_in_costs_nothing_any_more() -> None:
    rebuilt = built([*changed_things(), *NEW])
    catalogue = replace(rebuilt.catalogue, gone=frozen([2], np.int32))
    context = replace(rebuilt.model.context, catalogue=catalogue)
    base = Basis(replace(rebuilt, model=replace(rebuilt.model, context=context)))
    taken_in = [*changes(), LiveItem("i02", {}, 9, is_deleted=True), LiveItem("i04", {"price": 5.0, "stock": 3}, 8)]
    overlay = base.over(taken_in, {})
    assert overlay.snapshot is base.snapshot
    assert overlay.changes is None


NEWS: list[dict[str, Any]] = [
    {"title": "Another"},
    {"category": "Tools"},
    {"brand": None},
    {"price": 9.5},
    {"price": None},
    {"stock": 0},
    {"in_stock": False},
    {"created_at": NOW},
    {"attributes.colour": "blue"},
    {"attributes.size": None},
    {"attributes.watts": 7.0},
]


@pytest.mark.parametrize("fields", NEWS, ids=[str(fields) for fields in NEWS])
def test_whatever_differs_from_the_snapshot_is_news_of_that_item_alone(fields: dict[str, Any]) -> None:
    base = Basis(built(things()))
    same = [live(things()[place], place, is_created=False, created_us=0) for place in (9, 10, 11)]
    changed = replace(same[1], fields={**same[1].fields, **fields}, version=20)
    overlay = base.over([same[0], changed, same[2]], {})
    assert overlay.changes is not None
    assert [row.item.item_id for row in overlay.changes.rows] == ["i10"]
    assert base.over([LiveItem("i10", {}, 21, is_deleted=True)], {}).snapshot.catalogue.gone.tolist() == [10]


def test_an_item_laid_over_that_says_what_the_snapshot_says_changes_no_byte() -> None:
    """As in a worker that saw another price before, beside one that was started since."""
    base = Basis(built(things()))
    same = [live(things()[place], place, is_created=False, created_us=0) for place in (3, 8, 19)]
    other = [replace(item, fields={**item.fields, "price": 77.0}) for item in same]
    now = base.restocked(base.over(other, {}), same)
    assert now.changes is not None
    for user_id in ("u00", "u01", "u07", ""):
        for config in ("home", "discover", "buy-again"):
            ask = Ask(at=NOW, user_id=user_id, serving_config=config, limit=50)
            one, two = now.snapshot.recommend(ask).slate, base.snapshot.recommend(ask).slate
            assert (one.items.tobytes(), one.scores.tobytes()) == (two.items.tobytes(), two.scores.tobytes())


def test_numbers_go_by_creation_so_that_later_items_and_changes_move_none() -> None:
    base = Basis(built(things()))
    first = [live(thing, version) for thing, version in zip(NEW, (9, 7, 8), strict=True)]
    one = base.over(first, {}).snapshot.catalogue.items
    assert one.ids([24, 25, 26]) == ["x1", "x2", "x0"]
    later = [replace(first[0], is_deleted=True, version=30), *first[1:], live(Thing("a", "A"), 31)]
    for order in (later, later[::-1]):
        other = base.over(order, {}).snapshot.catalogue.items
        assert other.ids([24, 25, 26, 27]) == ["x1", "x2", "x0", "a"]


def test_until_it_is_embedded_a_new_item_comes_by_words_and_a_changed_one_by_its_old_text() -> None:
    base = Basis(built(things()))
    now = changed_things()
    overlay = base.over([live(NEW[1], 3), live(now[5], 4)], {})
    assert sorted(overlay.waiting.values()) == sorted([NEW[1].text, now[5].text])
    texts = overlay.snapshot.model.context.texts
    assert texts is not None
    assert texts.text_of[np.array([5, 24])].tolist() == [5, -1]
    assert overlay.snapshot.relevant("oolong", None, np.ones(25, bool)).items.tolist() == [24]


def test_a_text_that_was_emptied_is_near_nothing() -> None:
    fields = dict.fromkeys(("title", "category", "brand"))
    now = Basis(built(things())).over([LiveItem("i05", fields, 1)], {}).snapshot
    texts = now.model.context.texts
    assert texts is not None
    assert texts.text_of[5] == -1
    assert now.catalogue.titles[5] == "i05"
    assert 5 not in now.relevant("number5", vector_of("Thing number5. Food > Tea. Brand 1"), np.ones(24, bool)).items


def test_the_same_changes_give_the_same_bytes_in_any_order(laid_over: Snapshot) -> None:
    now = changed_things()
    other = (
        Basis(built(things()))
        .over(changes()[::-1], vectors_of(*(now[place] for place in CHANGED), *NEW[::-1]))
        .snapshot
    )
    for user_id in ("u00", "u01", "u07", ""):
        for config in ("home", "discover", "buy-again"):
            ask = Ask(at=NOW, user_id=user_id, serving_config=config, limit=50)
            one, two = laid_over.recommend(ask), other.recommend(ask)
            assert one.slate.items.tobytes() == two.slate.items.tobytes()
            assert one.slate.scores.tobytes() == two.slate.scores.tobytes()


def test_new_prices_and_stock_alone_give_what_all_of_it_worked_out_again_gives(laid_over: Snapshot) -> None:
    base, before = Basis(built(things())), changes()
    vectors = vectors_of(*NEW, *(changed_things()[place] for place in CHANGED))
    first = base.over(before, vectors)
    stocked = [
        replace(before[0], fields={**before[0].fields, "price": 77.0}, version=9),
        replace(before[5], fields={**before[5].fields, "stock": 0}, version=10),
    ]
    after = [stocked[0], *before[1:5], stocked[1], *before[6:]]
    now, anew = base.restocked(first, stocked).snapshot, base.over(after, vectors).snapshot
    for name in ("prices", "in_stock"):
        assert getattr(now.catalogue, name).tobytes() == getattr(anew.catalogue, name).tobytes()
    assert now.filters.mask("price = 77").tolist() == anew.filters.mask("price = 77").tolist()
    for user_id in ("u00", "u07", ""):
        ask = Ask(at=NOW, user_id=user_id, limit=50)
        one, other = now.recommend(ask).slate, anew.recommend(ask).slate
        assert one.items.tobytes() == other.items.tobytes()
        assert one.scores.tobytes() == other.scores.tobytes()
    assert now.words is first.snapshot.words
    assert now.pipeline.sources is first.snapshot.pipeline.sources


@pytest.mark.parametrize(
    ("changed", "is_stock"),
    [
        ({"fields": {"title": "A", "price": 2.0, "stock": 1}}, True),
        ({"fields": {"title": "A"}}, True),
        ({"fields": {"title": "B", "price": 1.0}}, False),
        ({"fields": {"title": None, "price": 1.0}}, False),
        ({"is_deleted": True}, False),
        ({"created_us": 5}, False),
    ],
)
def test_only_price_and_stock_are_inventory(changed: dict[str, Any], is_stock: bool) -> None:
    before = LiveItem("a", {"title": "A", "price": 1.0}, 1)
    assert is_restocked(before, replace(before, version=2, **changed)) is is_stock
    assert not is_restocked(None, before)


def test_wide_tables_are_not_copied(laid_over: Snapshot) -> None:
    base = built(things())
    now = Basis(base).over(changes(), vectors_of(*NEW)).snapshot
    texts, factors = now.model.context.texts, now.model.context.factors
    assert texts is not None
    assert factors is not None
    for table, own in (
        (texts.vectors, base.model.context.texts.vectors),
        (factors.factors, base.model.factors.model.factors),
    ):  # type: ignore[union-attr]
        assert table.base is own  # type: ignore[attr-defined]
    assert now.model.context.statistics.values.base is base.model.context.statistics.values  # type: ignore[attr-defined]
