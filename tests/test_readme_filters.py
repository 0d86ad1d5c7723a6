"""The filters that the README shows do what it says of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from recsys.filters.columns import Booleans, Columns, Numbers, Paths, TextLists, Texts, Times
from recsys.filters.predicate import compile_filter
from recsys.text_column import TextColumn

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("### Filters\n")[2].partition("\n## ")[0]
ROWS = [line.split(" | ") for line in SECTION.splitlines() if line.startswith("| ")][2:]
EXAMPLES = [row[1].strip("`") for row in ROWS]

LISTED = [datetime(2025, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4)]
COLUMNS = Columns(
    5,
    {
        "title": Texts(TextColumn.of(["Whole Milk, 1 l", "Oat drink", "Milk bread", "Hill cheese", "Soap"])),
        "category": Paths(
            TextColumn.of(["Food > Dairy", "Food > Drinks", "Food > Bread", "Food > Dairy > Cheese", ""])
        ),
        "brand": Texts(TextColumn.of(["Meadow", "Oatfield", "Meadow", "Hill", ""])),
        "price": Numbers(np.array([1.5, 2.5, 3, 4, np.nan], np.float32)),
        "in_stock": Booleans(np.array([True, True, False, True, True])),
        "created_at": Times(np.array([*(int(time.timestamp()) for time in LISTED), 0])),
        "attributes.fat": Numbers(np.array([3.5, np.nan, 1, 30, np.nan])),
        "attributes.shelf life": Numbers(np.array([7, 90, 3, 60, np.nan])),
        "attributes.tags": TextLists.of(
            [["Vegetarian", "fresh"], ["Vegan", "vegetarian"], [], ["not vegan"], ["vegan"]]
        ),
        "attributes.organic": Booleans(np.array([1, 0, 1, 0, 0], np.bool_), np.array([1, 1, 1, 0, 1], np.bool_)),
    },
    searched=("title", "brand", "category"),
)
EXPECTED = {
    "price < 2.5": [0],
    'brand = "Meadow"': [0, 2],
    'title = "Oat*"': [1],
    'title:"whole milk"': [0],
    'category:"Dairy"': [0, 3],
    "milk": [0, 2],
    "attributes.fat:*": [0, 2, 3],
    "in_stock = true": [0, 1, 3, 4],
    "created_at >= 2025-03-01": [2, 3],
    'category:"Dairy" AND price < 2': [0],
    "brand = Meadow OR brand = Hill": [0, 2, 3],
    "brand = (Meadow OR Hill)": [0, 2, 3],
    'NOT brand = "Meadow"': [1, 3, 4],
    'attributes."shelf life" > 7': [1, 3],
    "attributes.tags:vegan": [1, 4],
    "attributes.tags:(vegan OR vegetarian)": [0, 1, 4],
    "attributes.organic = true": [0, 2],
}


def passing(text: str) -> list[int]:
    return np.flatnonzero(compile_filter(text, COLUMNS.schema).mask(COLUMNS)).tolist()


def test_every_example_is_tried_here() -> None:
    assert list(EXPECTED) == EXAMPLES


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_of_the_table_selects_what_it_should(text: str) -> None:
    assert passing(text) == EXPECTED[text]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('-brand = "Meadow"', 'NOT brand = "Meadow"'),
        ('brand != "Meadow"', 'NOT brand = "Meadow"'),
        ('category:"Food > Dairy"', 'category:"Dairy"'),
        ('category:"Dairy" price < 2', 'category:"Dairy" AND price < 2'),
        ("attributes.tags:veg*", "attributes.tags:(vegan OR vegetarian)"),
        ("attributes.tags:(vegan vegetarian)", "attributes.tags:vegan AND attributes.tags:VEGETARIAN"),
        ("milk AND brand:hill OR price < 2", "milk AND (brand:hill OR price < 2)"),
    ],
)
def test_what_is_said_to_be_the_same_is(one: str, other: str) -> None:
    assert passing(one) == passing(other) != []


def test_the_filters_of_the_commands_can_be_read() -> None:
    commands = re.findall(r"--filter '([^']*)'", SECTION)
    assert len(commands) == 2
    for text in commands:
        compile_filter(text, COLUMNS.schema)
