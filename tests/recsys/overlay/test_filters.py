"""Filters over changed and new items, against the same shop built anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recsys.errors import FilterError
from recsys.filters.columns import Booleans, Numbers, TextLists, Texts
from recsys.model import Snapshot
from recsys.overlay.filters import ChangedFilters
from recsys.overlay.overlay import Basis
from recsys.stores.records import LiveItem

from .changed_shop import NEW
from .shop import built, live, things


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
        "attributes.tags:vegan",
        'attributes.tags:"fair trade" OR attributes.tags:limited',
        "NOT attributes.tags:*",
        "attributes.organic = true",
        "attributes.organic = false",
        "NOT attributes.organic:*",
    ],
)
def test_filters_see_what_is_so_now(laid_over: Snapshot, anew: Snapshot, text: str) -> None:
    np.testing.assert_array_equal(laid_over.filters.mask(text), anew.filters.mask(text))
    np.testing.assert_array_equal(laid_over.filters.bits(text), anew.filters.bits(text))


def test_what_is_told_of_lists_and_flags_is_what_is_so_now(laid_over: Snapshot, anew: Snapshot) -> None:
    items = np.array([26, 8, 7, 24, 0, 1, 5], np.int32)
    one, other = laid_over.filters.attributes(items), anew.filters.attributes(items)
    assert (one["tags"], one["organic"]) == (other["tags"], other["organic"])
    assert one["tags"][:4] == [None, None, ("Fair Trade", "limited"), ("vegan",)]
    assert one["organic"][:6] == [None, False, True, None, None, False]


@pytest.mark.parametrize(
    ("field", "value", "filters"),
    [
        ("attributes.tags", "one text", {'attributes.tags:"One text"': True, "attributes.tags:text": False}),
        ("attributes.tags", 3.0, {"attributes.tags:3": True}),
        ("attributes.tags", None, {"attributes.tags:*": False}),
        ("attributes.organic", " TRUE", {"attributes.organic = true": True}),
        ("attributes.organic", "perhaps", {"attributes.organic:*": False}),
        ("attributes.organic", None, {"attributes.organic:*": False}),
        ("attributes.colour", ("dark", "blue"), {'attributes.colour = "dark, blue"': True}),
        ("attributes.colour", True, {"attributes.colour = true": True}),
        ("attributes.size", True, {"attributes.size:*": False}),
    ],
)
def test_a_value_of_another_kind_is_taken_as_the_column_can_hold_it(
    field: str, value: Any, filters: dict[str, bool]
) -> None:
    now = Basis(built(things())).over([LiveItem("i06", {field: value}, 1)], {}).snapshot
    assert {text: bool(now.filters.mask(text)[6]) for text in filters} == filters


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([("a", "b"), "c", 1.0, True], TextLists),
        ([True, "FALSE"], Booleans),
        ([True, 1.0], Texts),
        ([True, 1.0, 2.0], Texts),
        (["1", 2.0], Numbers),
        (["x", False], Texts),
        ([()], None),
    ],
)
def test_attributes_that_the_snapshot_lacks_are_of_the_kind_that_a_rebuild_would_see(
    values: list[Any], kind: type | None
) -> None:
    changed = [LiveItem(f"i{place:02d}", {"attributes.own": value}, 1) for place, value in enumerate(values)]
    columns = Basis(built(things())).over(changed, {}).snapshot.filters
    if kind is None:
        with pytest.raises(FilterError, match="unknown field"):
            columns.check("attributes.own:*")
    else:
        assert columns.mask("attributes.own:*").tolist() == [place < len(values) for place in range(24)]
        assert columns.columns.schema.kinds["attributes.own"] is kind


def test_an_attribute_that_the_snapshot_lacks_can_be_filtered_by_at_once() -> None:
    base = Basis(built(things()))
    with pytest.raises(FilterError):
        base.snapshot.filters.check("attributes.watts > 1000")
    fields = {
        "attributes.watts": 1500.0,
        "attributes.plug": "UK",
        "attributes.fits": ("kitchen", "garden"),
        "attributes.refurbished": False,
    }
    watts = LiveItem("i02", fields, 1)
    now = base.over([watts], {}).snapshot
    assert np.flatnonzero(now.filters.mask("attributes.watts > 1000")).tolist() == [2]
    assert np.flatnonzero(now.filters.mask('attributes.plug = "UK"')).tolist() == [2]
    assert np.flatnonzero(now.filters.mask("attributes.fits:Garden")).tolist() == [2]
    assert np.flatnonzero(now.filters.mask("attributes.refurbished = false")).tolist() == [2]
    assert not now.filters.mask("attributes.refurbished = true").any()
    told = now.filters.attributes(np.array([1, 2], np.int32))
    assert (told["fits"], told["refurbished"]) == ([None, ("kitchen", "garden")], [None, False])
    later = base.over([watts, live(NEW[0], 2)], {}, now).snapshot
    assert np.flatnonzero(later.filters.mask("attributes.watts > 1000")).tolist() == [2]
    assert np.flatnonzero(later.filters.mask("NOT attributes.watts:*")).tolist() == [*range(2), *range(3, 25)]
    assert np.flatnonzero(later.filters.mask("price = 30")).tolist() == [24]


def test_of_names_that_no_snapshot_has_so_many_count_and_the_others_are_numbered() -> None:
    fields: dict[str, Any] = {f"attributes.late-{n:02d}": "x" for n in range(70)} | {"attributes.colour": "red"}
    laid = Basis(built(things())).over([LiveItem("i01", fields, 1)], {}).snapshot.filters
    assert isinstance(laid, ChangedFilters)
    assert laid.mask('attributes.late-63 = "x"').sum() == 1
    with pytest.raises(FilterError):
        laid.check('attributes.late-64 = "x"')
    assert laid.n_left_out == 6
