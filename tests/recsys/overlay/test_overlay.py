"""A snapshot with changes laid over it, against the same shop built anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.ask import Ask, resolve
from recsys.features.assemble import assemble
from recsys.model import Snapshot
from recsys.overlay.overlay import Basis
from recsys.query import Candidates

from .changed_shop import CHANGED, NEW, changed_things, changes, queries
from .shop import NOW, built, live, things, vectors_of


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
