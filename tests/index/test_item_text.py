"""The text of one item as the server makes it is the text that a rebuild would make."""

from __future__ import annotations

import random

import polars as pl

from index.texts import item_texts
from recsys.overlay.item_text import item_text

PARTS = (
    "Milk",
    "milk  whole",
    "Dairy > Milk",
    "(#1234)",
    "1234",
    "item 1234, again",
    "全脂牛奶",
    "7 Up",
    "",
    "Åre\n ØL",
    "!!",
)
COLUMNS = ("title", "description", "category")


def test_texts_are_the_same_whatever_the_columns_hold() -> None:
    rng = random.Random(5)
    ids = [str(number) for number in range(1, 3000, 7)] + ["1234", "7"]
    rows = [[" ".join(rng.choices(PARTS, k=rng.randint(0, 3))) for _ in COLUMNS] for _ in ids]
    table = pl.DataFrame({"item_id": ids, **{name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)}})

    expected = item_texts(table, COLUMNS, ids)

    assert [item_text(id, tuple(row)) for id, row in zip(ids, rows, strict=True)] == expected
