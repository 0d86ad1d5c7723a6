"""Items and profiles as a real state store has changed them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from index.dataset import load
from index.state_tables import StateTables
from recsys.filters.catalogue_columns import ATTRIBUTES, attributes_at
from recsys.filters.columns import Columns
from recsys.stores.protocols import State
from recsys.stores.records import Inventory, ItemChange, ProfileChange

from .merged_state import NOW, report
from .small_sales import sales, write_csv


def test_items_are_as_they_were_changed_last(tmp_path: Path, state: State) -> None:
    shop = write_csv(tmp_path / "data", sales())
    table = [
        {"item_id": f"i{n}", "title": f"Tea {n}", "price": 2.0, "in_stock": True, "colour": "red"} for n in range(5)
    ]
    write_csv(shop, table, "items.csv")
    changes = [
        ItemChange("i0", {"title": "Coffee", "price": 3.5, "attributes.colour": "blue", "attributes.size": 40.0}),
        ItemChange("i1", {"price": None, "description": "Green."}),
    ]
    state.items.upsert(changes, existing={"i0", "i1"}, create=False, now_us=1)
    state.items.upsert([ItemChange("i9", {"title": "New"})], existing=(), create=True, now_us=1)
    state.items.set_inventory(Inventory("i2", 5, stock=0), exists=True, now_us=5)
    state.items.set_inventory(Inventory("nobody", 5, stock=9), exists=False, now_us=5)
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    assert dataset.item_ids == ["i0", "i1", "i2", "i3", "i4", "i9"]
    assert dataset.items.titles == ["Coffee", "Tea 1", "Tea 2", "Tea 3", "Tea 4", "New"]
    assert dataset.items.prices[[0, 2]].tolist() == [3.5, 2.0]
    assert dataset.items.prices[1] != dataset.items.prices[1]
    assert dataset.items.in_stock.tolist() == [True, True, False, True, True, True]
    assert dataset.items.texts[1].startswith("Tea 1")
    assert "Green." in dataset.items.texts[1]
    assert len(dataset.items.gone) == 0
    assert sorted(dataset.attributes) == ["colour", "size"]
    assert (report(dataset).n_items_new, report(dataset).n_items_changed) == (1, 3)


def test_lists_and_flags_of_the_state_are_of_the_kind_that_the_table_has(tmp_path: Path, state: State) -> None:
    shop = write_csv(tmp_path / "data", sales())
    rows = [
        {"item_id": f"i{n}", "tags": ["vegan", f"shelf {n}"], "organic": n > 1, "colour": "red", "size": n}
        for n in range(5)
    ]
    pl.DataFrame(rows).write_parquet(shop / "items.parquet")
    changes = [
        ItemChange("i0", {"attributes.tags": ("limited", "bio"), "attributes.organic": True}),
        ItemChange("i1", {"attributes.tags": (), "attributes.organic": None, "attributes.colour": ("red", "blue")}),
        ItemChange("i2", {"attributes.tags": "plain", "attributes.fits": ("kitchen",), "attributes.used": False}),
        ItemChange("i3", {"attributes.fits": "garden", "attributes.used": "TRUE", "attributes.nothing": ()}),
    ]
    state.items.upsert(changes, existing={f"i{n}" for n in range(5)}, create=False, now_us=1)
    new = ItemChange("i9", {"title": "New", "attributes.tags": ("vegan",), "attributes.organic": False})
    state.items.upsert([new], existing=(), create=True, now_us=1)
    attributes = load(shop, now=NOW, state=StateTables.read(state)).attributes
    columns = Columns(6, {f"{ATTRIBUTES}{name}": column for name, column in attributes.items()})
    assert attributes_at(columns, np.arange(6, dtype=np.int32)) == {
        "tags": [("limited", "bio"), None, ("plain",), ("vegan", "shelf 3"), ("vegan", "shelf 4"), ("vegan",)],
        "organic": [True, None, True, True, True, False],
        "colour": ["red", "red, blue", "red", "red", "red", None],
        "size": [0.0, 1.0, 2.0, 3.0, 4.0, None],
        "fits": [None, None, ("kitchen",), ("garden",), None, None],
        "used": [None, None, False, True, None, None],
    }


def test_a_word_among_numbers_is_unknown_and_said_and_makes_no_words_of_the_numbers(
    tmp_path: Path, state: State
) -> None:
    shop = write_csv(tmp_path / "data", sales())
    rows = [{"item_id": f"i{n}", "size": n, "organic": n > 1, "colour": "red"} for n in range(5)]
    pl.DataFrame(rows).write_parquet(shop / "items.parquet")
    changes = [
        ItemChange("i0", {"attributes.size": "large", "attributes.organic": "perhaps", "attributes.colour": 7.0}),
        ItemChange("i1", {"attributes.size": ("1", "2"), "attributes.organic": 1.0}),
        ItemChange("i2", {"attributes.size": "2.5", "attributes.organic": "FALSE"}),
    ]
    state.items.upsert(changes, existing={"i0", "i1", "i2"}, create=False, now_us=1)
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    columns = Columns(5, {f"{ATTRIBUTES}{name}": column for name, column in dataset.attributes.items()})
    assert attributes_at(columns, np.arange(5, dtype=np.int32)) == {
        "size": [None, None, 2.5, 3.0, 4.0],
        "organic": [None, None, False, True, True],
        "colour": ["7", "red", "red", "red", "red"],
    }
    assert report(dataset).unfit == {"size": 2, "organic": 2}
    assert any("left unknown: organic 2, size 2" in line for line in report(dataset).lines())


def test_a_deleted_item_stays_in_histories_and_is_listed_no_more(tmp_path: Path, state: State) -> None:
    shop = write_csv(tmp_path / "data", sales())
    write_csv(shop, [{"item_id": f"i{n}", "title": f"Tea {n}"} for n in range(8)], "items.csv")
    state.items.delete(["i1", "i7"], existing={f"i{n}" for n in range(8)})
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    assert dataset.item_ids == ["i0", "i1", "i2", "i3", "i4", "i5", "i6"]  # of i7 nobody knows anything
    assert dataset.items.gone.tolist() == [1]
    assert dataset.items.titles[1] == "Tea 1"
    assert len(dataset.interactions) == 40


def test_profiles_are_as_they_were_set_last(tmp_path: Path, state: State) -> None:
    shop = write_csv(tmp_path / "data", sales())
    write_csv(shop, [{"user_id": f"u{n}", "age": 20 + n, "city": "Ulm"} for n in range(6)], "users.csv")
    changes = [ProfileChange("u0", {"age": 50.0, "city": None}), ProfileChange("zoe", {"age": 33.0, "member": True})]
    state.users.upsert(changes, existing={"u0"}, create=True)
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    age, city, member = (dataset.users.columns[name] for name in ("age", "city", "member"))
    assert dataset.user_ids[-1] == "zoe"
    assert age.tolist() == [50.0, 21.0, 22.0, 23.0, 24.0, 25.0, 33.0]  # type: ignore[union-attr]
    assert city.codes.tolist() == [-1, 0, 0, 0, 0, 0, -1]  # type: ignore[union-attr]
    assert member.labels == ["true"]  # type: ignore[union-attr]
    assert (report(dataset).n_profiles, report(dataset).n_profiles_new) == (2, 1)


@pytest.mark.parametrize(
    ("changed", "is_sold"),
    [
        ({"stock": 0.0}, False),
        ({"stock": 3.0, "in_stock": False}, True),  # a count says more
        ({"in_stock": False}, False),
        ({"stock": None, "in_stock": None}, True),  # nothing is known any more
    ],
)
def test_stock_of_the_state_overrules_all_that_the_table_says(
    tmp_path: Path, state: State, changed: dict[str, Any], is_sold: bool
) -> None:
    shop = write_csv(tmp_path / "data", sales())
    write_csv(
        shop,
        [{"item_id": f"i{n}", "stock": 0 if is_sold else 5, "in_stock": not is_sold} for n in range(5)],
        "items.csv",
    )
    state.items.upsert([ItemChange("i0", changed)], existing={"i0"}, create=False, now_us=1)
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    assert bool(dataset.items.in_stock[0]) is is_sold
    assert bool(dataset.items.in_stock[1]) is not is_sold
