"""Items between the wire and the stores: which fields an upsert sets, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from protos.recommender.v1.attribute_pb2 import AttributeValue
from protos.recommender.v1.item_pb2 import Item
from recsys.errors import InvalidRequest, Violation
from recsys.stores.records import ItemChange, ItemValue
from server.conversion import seconds_of
from server.rules import (
    LONGEST_ATTRIBUTE_NAME,
    LONGEST_ID,
    MOST_ATTRIBUTES,
    Rule,
    amount,
    at_least,
    attributes,
    entries,
    free,
    id_text,
    moment,
    text,
)

LONGEST_TITLE = 1000
LONGEST_CATEGORY = 1000
LONGEST_BRAND = 1000
LONGEST_DESCRIPTION = 5000
ATTRIBUTES = "attributes"
# Every field of Item stands here once (a test compares with the descriptor).
ITEM: Mapping[str, Rule] = {
    "item_id": id_text(LONGEST_ID, required=True),
    "title": text(LONGEST_TITLE),
    "category": text(LONGEST_CATEGORY),
    "brand": text(LONGEST_BRAND),
    "price": amount,
    "in_stock": free,
    "description": text(LONGEST_DESCRIPTION),
    "stock": at_least(0),
    "created_at": moment,
    ATTRIBUTES: attributes("text", "number", "flag", "texts"),
}
FIELDS = tuple(name for name in ITEM if name not in ("item_id", ATTRIBUTES))
_TEXTS = frozenset({"title", "category", "brand", "description"})


def mask_of_items(field: str, mask: Any) -> Iterator[Violation]:
    """What is wrong with an ``update_mask`` of items."""
    most = len(FIELDS) + MOST_ATTRIBUTES
    yield from entries(most)(f"{field}.paths", mask.paths)
    for position, path in enumerate(mask.paths[:most]):
        prefix, _, name = path.partition(".")
        of_attribute = prefix == ATTRIBUTES and 1 <= len(name) <= LONGEST_ATTRIBUTE_NAME
        if path not in ("*", ATTRIBUTES, *FIELDS) and not of_attribute:
            place, known = f"{field}.paths[{position}]", ", ".join((*FIELDS, ATTRIBUTES))
            yield Violation(place, f"{place} must be one of {known} or attributes.<name>, got {path[:LONGEST_ID]!r}")


def item_change(
    name: str, item: Item, paths: Sequence[str], attributes_of: Callable[[str], Sequence[str]]
) -> ItemChange:
    """What to set of the item at path ``name`` of the request; without ``paths`` all that is given.

    attributes_of: names of the attributes that an item has. InvalidRequest with every broken rule.
    """
    broken = [found for part, rule in ITEM.items() for found in rule(f"{name}.{part}", getattr(item, part))]
    if broken:
        raise InvalidRequest(broken)
    if not paths:
        return ItemChange(item.item_id, _given(item))
    everything = "*" in paths
    fields: dict[str, ItemValue | None] = {}
    for path in FIELDS if everything else [path for path in paths if path in FIELDS]:
        fields[path] = _value(item, path)
    if everything or ATTRIBUTES in paths:
        fields |= {f"{ATTRIBUTES}.{one}": None for one in attributes_of(item.item_id)}
        fields |= {f"{ATTRIBUTES}.{one}": value_of(value) for one, value in item.attributes.items()}
    for path in paths:
        one = path.removeprefix(f"{ATTRIBUTES}.")
        if one != path:
            fields[path] = value_of(item.attributes[one]) if one in item.attributes else None
    return ItemChange(item.item_id, _stocked(item, fields))


def value_of(value: AttributeValue) -> ItemValue:
    """What an attribute says."""
    kind = value.WhichOneof("kind")
    assert kind is not None
    if kind == "texts":
        return tuple(stripped for entry in value.texts.values if (stripped := entry.strip()))
    found: ItemValue = getattr(value, kind)
    return found


def _given(item: Item) -> dict[str, ItemValue | None]:
    """All that is set. False in ``in_stock`` cannot be told from nothing, so that it takes a mask."""
    found = {name: _value(item, name) for name in FIELDS if name != "in_stock"}
    fields: dict[str, ItemValue | None] = {name: value for name, value in found.items() if value is not None}
    fields |= {f"{ATTRIBUTES}.{name}": value_of(value) for name, value in item.attributes.items()}
    return fields


def _value(item: Item, name: str) -> ItemValue | None:
    if name in _TEXTS:
        return getattr(item, name) or None
    if name == "in_stock":
        return item.in_stock
    if not item.HasField(name):  # type: ignore[arg-type] # one of those that can be absent
        return None
    return seconds_of(item.created_at) if name == "created_at" else getattr(item, name)


def _stocked(item: Item, fields: dict[str, ItemValue | None]) -> dict[str, ItemValue | None]:
    """``in_stock`` counts where no stock is given, and then whatever the stock was."""
    if "in_stock" in fields:
        if item.HasField("stock") and "stock" in fields:
            del fields["in_stock"]
        else:
            fields["stock"] = None
    return fields
