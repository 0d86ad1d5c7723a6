"""A snapshot with statistics of now, new items among them, against the same shop built anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.ask import Ask
from recsys.features.assemble import assemble
from recsys.freshened import freshened
from recsys.model import Snapshot
from recsys.overlay.overlay import Basis
from recsys.statistics import ItemStatistics

from .changed_shop import NEW, queries
from .shop import DAY, NOW, Thing, built, live, taken, things, vectors_of
from .test_overlay import everything

# By user, item and time: the first new item is taken by many, the third by one, known ones too.
SINCE = [
    *((user, 24, NOW - 3600 * (user + 1)) for user in range(9)),
    (4, 26, NOW - 2 * DAY),
    *((user, 23, NOW - 7200 * (user + 1)) for user in range(5)),
    *((user, 2, NOW - 1800 * (user + 1)) for user in range(12)),
]


def of_now() -> ItemStatistics:
    every = ItemStatistics.fit(taken(since=SINCE), 27, NOW)
    arrivals = {thing.id: row for thing, row in zip(NEW, every.values[24:], strict=True)}
    return ItemStatistics(NOW, every.values[:24], every.newcomer, arrivals=arrivals)


@pytest.fixture(scope="module")
def fresh() -> Snapshot:
    items = [live(thing, 1 + place) for place, thing in enumerate(NEW)]
    return Basis(freshened(built(things()), of_now())).over(items, vectors_of(*NEW)).snapshot


@pytest.fixture(scope="module")
def anew() -> Snapshot:
    return built([*things(), *NEW], since=SINCE)


def test_every_feature_of_items_and_their_groups_is_what_the_shop_built_anew_has(
    fresh: Snapshot, anew: Snapshot
) -> None:
    tables = []
    for snapshot in (fresh, anew):
        # Who asks has the same history in both.
        asked = [
            replace(query, history=old.history) for query, old in zip(queries(snapshot), queries(fresh), strict=True)
        ]
        found = assemble(snapshot.pipeline.families, asked, [everything(snapshot)] * 4, snapshot.model.context)[0]
        tables.append(dict(zip(snapshot.feature_names, found.T, strict=True)))
    one, other = tables
    for name in one:
        if not name.endswith("_closeness"):
            np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert np.expm1(one["item_users_4w"][24]) == pytest.approx(9)


def test_what_is_popular_is_in_the_order_of_the_shop_built_anew(fresh: Snapshot, anew: Snapshot) -> None:
    one, other = fresh.model.popular, anew.model.popular
    n = len(fresh.catalogue)
    np.testing.assert_array_equal(one.ranking[:n], other.ranking)
    np.testing.assert_allclose(one.scores[:n], other.scores)
    assert 24 in one.ranking[:n][:4]


def test_somebody_of_whom_nothing_is_known_is_given_what_is_taken_now(fresh: Snapshot) -> None:
    stale = built(things())
    ask = Ask(at=NOW + 1, user_id="nobody", limit=3)
    assert "x0" in fresh.answer(ask)
    assert fresh.answer(ask) != stale.answer(ask)
    same = freshened(stale, stale.model.context.statistics)
    np.testing.assert_array_equal(same.model.popular.ranking, stale.model.popular.ranking)


def test_what_is_fresh_are_the_items_first_taken_of_late(fresh: Snapshot) -> None:
    source = fresh.pipeline.sources["fresh"]
    items = source.retrieve(queries(fresh)[3], 5).items  # of nobody
    assert items[:3].tolist() == [24, 23, 26]


def test_new_items_that_were_taken_have_the_strength_that_their_groups_give_them() -> None:
    # Twenty in a group of their own, and a group's mean that is no more than what they have.
    new = [Thing(f"x{n:02d}", f"Kite {n}", "Kites", "", 5.0, created_at=NOW - DAY) for n in range(20)]
    since = [(user, 24 + n, NOW - 3600 * (user + 1)) for user in range(12) for n in range(20) if (user + n) % 4]
    every = ItemStatistics.fit(taken(since=since), 44, NOW)
    arrivals = {thing.id: row for thing, row in zip(new, every.values[24:], strict=True)}
    now = ItemStatistics(NOW, every.values[:24], every.newcomer, arrivals=arrivals)
    laid = Basis(freshened(built(things()), now)).over([live(thing, 1 + n) for n, thing in enumerate(new)], {}).snapshot
    anew = built([*things(), *new], since=since)
    one, other = (snapshot.pipeline.sources["affinity"].strength[24:] for snapshot in (laid, anew))  # type: ignore[attr-defined]
    np.testing.assert_allclose(one, other, rtol=1e-4)


def test_the_first_sale_of_a_new_item_takes_nothing_from_it() -> None:
    every = ItemStatistics.fit(taken(since=[(4, 24, NOW - DAY)]), 25, NOW)
    sold = ItemStatistics(NOW, every.values[:24], every.newcomer, arrivals={NEW[0].id: every.values[24]})
    items = [live(NEW[0], 1)]
    unsold, laid = (Basis(one).over(items, {}).snapshot for one in (built(things()), freshened(built(things()), sold)))
    one, other = (snapshot.pipeline.sources["affinity"].strength[24] for snapshot in (unsold, laid))  # type: ignore[attr-defined]
    assert other >= one > 0


def test_what_was_worked_out_for_other_statistics_is_used_again(fresh: Snapshot) -> None:
    items = [live(thing, 1 + place) for place, thing in enumerate(NEW)]
    stale = Basis(built(things()))
    stale.over(items, vectors_of(*NEW))
    again = Basis(freshened(stale.snapshot, of_now()), stale).over(items, vectors_of(*NEW)).snapshot
    ask = Ask(at=NOW + 1, user_id="u01", limit=27)
    assert again.answer(ask) == fresh.answer(ask)
    assert again.filters.mask("in_stock = true").tolist() == fresh.filters.mask("in_stock = true").tolist()


def test_statistics_of_another_catalogue_are_refused() -> None:
    with pytest.raises(ValueError, match="none of 23"):
        freshened(built(things(23)), of_now())
