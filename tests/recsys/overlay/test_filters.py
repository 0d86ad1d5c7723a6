"""Filters over changed and new items, against the same shop built anew."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.errors import FilterError
from recsys.model import Snapshot
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
