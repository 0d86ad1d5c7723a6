"""Changes to the shop of three departments: four known items, and three new ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from recsys.ask import Ask, resolve
from recsys.model import Snapshot
from recsys.stores.records import LiveItem

from .shop import DAY, NOW, Thing, live, things

NEW = [
    Thing(
        "x0",
        "Kettle steel",
        "Tools",
        "Brand 1",
        30.0,
        created_at=NOW - DAY,
        attributes={"colour": "red", "tags": ("vegan",)},
    ),
    Thing("x1", "Oolong leaves", "Food > Tea", "Brand 9", 12.5, created_at=NOW - DAY, attributes={"size": "3"}),
    Thing("x2", "Nameless"),
]
CHANGED = {
    3: {"category": "Tools", "brand": "Brand 2"},
    5: {"title": "Another name", "price": 99.0},
    7: {
        "brand": "Brand 77",
        "attributes": {"colour": "blue", "size": "4", "tags": ("Fair Trade", "limited"), "organic": True},
    },
    8: {"attributes": {"colour": "", "size": "3", "tags": (), "organic": False}},
    22: {"category": "", "brand": "", "created_at": NOW - 3 * DAY},
}


def changed_things() -> list[Thing]:
    return [replace(thing, **CHANGED.get(place, {})) for place, thing in enumerate(things())]


def changes() -> list[LiveItem]:
    now = changed_things()
    known = [live(now[place], 1, is_created=False, created_us=0) for place in CHANGED]
    return [*known, *(live(thing, 2 + place) for place, thing in enumerate(NEW))]


def queries(snapshot: Snapshot) -> list[Any]:
    asks = [Ask(at=NOW, user_id=user_id, context_item_ids=("i03", "x1")) for user_id in ("u00", "u01", "u07", "")]
    return [resolve(ask, snapshot).query for ask in asks]
