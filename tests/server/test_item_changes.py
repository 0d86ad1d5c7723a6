"""What an upsert sets of an item, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1.attribute_pb2 import AttributeValue, TextList
from protos.recommender.v1.item_pb2 import Item
from server.item_changes import ITEM, item_change

RED = AttributeValue(text="red")
TAGS = AttributeValue(texts=TextList(values=["a", " b c\n", "", " "]))


def changed(item: Item, *paths: str) -> Mapping[str, Any]:
    return item_change("items[0]", item, paths, lambda _: ["colour", "size"]).fields


def test_every_field_of_an_item_has_a_rule() -> None:
    assert set(ITEM) == {field.name for field in Item.DESCRIPTOR.fields}


@pytest.mark.parametrize(
    ("item", "paths", "fields"),
    [
        (Item(title="A", price=0.0, stock=0), (), {"title": "A", "price": 0.0, "stock": 0}),
        (Item(in_stock=True, attributes={"colour": RED}), (), {"attributes.colour": "red"}),
        (Item(created_at=Timestamp(seconds=7)), (), {"created_at": 7}),
        (Item(title="A", brand="B"), ("title", "price"), {"title": "A", "price": None}),
        (
            Item(attributes={"colour": RED}),
            ("attributes.colour", "attributes.a.b"),
            {"attributes.colour": "red", "attributes.a.b": None},
        ),
        (Item(attributes={"colour": RED}), ("attributes",), {"attributes.colour": "red", "attributes.size": None}),
        (Item(in_stock=False), ("in_stock",), {"in_stock": False, "stock": None}),
        (Item(in_stock=False, stock=3), ("in_stock", "stock"), {"stock": 3}),
        (Item(attributes={"flag": AttributeValue(flag=False)}), (), {"attributes.flag": False}),
        (Item(attributes={"tags": TAGS}), (), {"attributes.tags": ("a", "b c")}),
        (Item(attributes={"tags": AttributeValue(texts=TextList())}), (), {"attributes.tags": ()}),
    ],
)
def test_a_mask_names_what_is_set(item: Item, paths: tuple[str, ...], fields: dict[str, Any]) -> None:
    item.item_id = "a"
    assert changed(item, *paths) == fields


def test_the_whole_item_is_set_by_a_star() -> None:
    fields = changed(Item(item_id="a", title="A", in_stock=True), "*")
    assert {name for name, value in fields.items() if value is not None} == {"title", "in_stock"}
    assert set(fields) == {*ITEM, "attributes.colour", "attributes.size"} - {"item_id", "attributes"}
