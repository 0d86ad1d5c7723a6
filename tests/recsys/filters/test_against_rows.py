"""Masks against a slow evaluator that looks at one row after another and shares no code with the fast one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.filters.catalogue_columns import ATTRIBUTES, attributes_at, read_attributes, write_attributes
from recsys.filters.columns import Booleans, Columns, Numbers, Paths, TextLists, Texts, Times
from recsys.filters.expressions import And, Comparison, Expression, Not, Or, Value, Word
from recsys.filters.grammar import parse
from recsys.filters.predicate import compile_filter
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.text_column import TextColumn

WORDS = "0-9A-Za-z\u00c0-\u07ff"
# Small, so that matches are common; with every length of UTF-8, and letters that change length when case is folded.
LETTERS = "aAbé É ßж牛🥛*\"\\'1.-"
texts = st.text(LETTERS, max_size=6)
levels = st.text("aAß牛 -", min_size=1, max_size=3).map(str.strip).filter(bool)
paths = st.lists(levels, max_size=3).map(" > ".join)
numbers = st.sampled_from([-1.5, 0.0, 0.1, 1.0, 2.0, 2.99, 1e30])
seconds = st.sampled_from([-7, 1, 1_700_000_000, 1_700_000_001, 1_700_000_002])


@dataclass(frozen=True)
class Row:
    """One item in plain Python; missing is None, "" or no tags."""

    title: str
    category: str
    tags: list[str]
    price: float | None
    in_stock: bool
    created_at: int
    organic: bool | None = None


rows = st.builds(
    Row,
    title=texts,
    category=paths,
    tags=st.lists(texts, max_size=3),
    price=st.none() | numbers,
    in_stock=st.booleans(),
    created_at=st.just(0) | seconds,
    organic=st.none() | st.booleans(),
)


def columns_of_rows(table: list[Row]) -> Columns:
    prices = np.array([np.nan if row.price is None else row.price for row in table], np.float32)
    return Columns(
        len(table),
        {
            "title": Texts(TextColumn.of(row.title for row in table)),
            "category": Paths(TextColumn.of(row.category for row in table)),
            "tags": TextLists.of(row.tags for row in table),
            "price": Numbers(prices),
            "in_stock": Booleans(np.array([row.in_stock for row in table], np.bool_)),
            "created_at": Times(np.array([row.created_at for row in table], np.int64)),
            "organic": Booleans(
                np.array([bool(row.organic) for row in table], np.bool_),
                np.array([row.organic is not None for row in table], np.bool_),
            ),
        },
        searched=("title", "category", "tags"),
    )


def value_from(text: str, before: bool, after: bool) -> Value:
    return Value(text, 0, any_before=before or not text, any_after=after or not text, quoted=True)


def values_of(source: st.SearchStrategy[str]) -> st.SearchStrategy[Value]:
    return st.builds(value_from, source, st.booleans(), st.booleans())


def plain(source: st.SearchStrategy[str]) -> st.SearchStrategy[Value]:
    return source.filter(bool).map(lambda text: Value(text, 0, quoted=True))


def time_text(moment: tuple[int, int, int]) -> str:
    second, tenths, hours = moment
    local = datetime.fromtimestamp(second, UTC) + timedelta(hours=hours)
    return f"{local:%Y-%m-%dT%H:%M:%S}.{tenths}{hours:+03d}:00"


def comparisons(field: str, comparators: list[str], values: st.SearchStrategy[Value]) -> st.SearchStrategy[Comparison]:
    return st.builds(Comparison, st.just(field), st.sampled_from(comparators), values, st.just(0))


ORDERS = ["<", "<=", ">", ">="]
EQUALS = ["=", "!=", ":"]
FLAGS = ["in_stock", "organic"]
anything = st.just(value_from("", True, True))
times = st.tuples(seconds, st.sampled_from([0, 5]), st.sampled_from([-11, 0, 8])).map(time_text)
terms = st.one_of(
    comparisons("title", EQUALS, values_of(texts)),
    comparisons("title", ORDERS, plain(texts)),
    comparisons("category", EQUALS, values_of(paths | levels)),
    comparisons("tags", [":"], values_of(texts)),
    comparisons("price", EQUALS + ORDERS, plain(numbers.map(repr))) | comparisons("price", [":"], anything),
    st.one_of(comparisons(field, EQUALS, plain(st.sampled_from(["true", "false"]))) for field in FLAGS),
    st.one_of(comparisons(field, [":"], anything) for field in FLAGS),
    comparisons("created_at", EQUALS + ORDERS, plain(times)) | comparisons("created_at", [":"], anything),
    st.builds(Word, values_of(texts)),
)
trees: st.SearchStrategy[Any] = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=5,
)


def written(tree: Expression) -> str:
    match tree:
        case And(parts):
            return " AND ".join(map(grouped, parts))
        case Or(parts):
            return " OR ".join(map(grouped, parts))
        case Not(part):
            return f"NOT {grouped(part)}"
        case Word(value):
            return quoted(value)
        case Comparison(field, comparator, value):
            return f"{field} {comparator} {quoted(value)}"


def grouped(tree: Expression) -> str:
    return written(tree) if isinstance(tree, Word | Comparison) else f"({written(tree)})"


def quoted(value: Value) -> str:
    if not value.text:
        return '"*"'
    return '"' + "*" * value.any_before + re.sub(r'(["\\*])', r"\\\1", value.text) + "*" * value.any_after + '"'


def without_places(tree: Expression) -> Expression:
    match tree:
        case And(parts):
            return And(tuple(map(without_places, parts)))
        case Or(parts):
            return Or(tuple(map(without_places, parts)))
        case Not(part):
            return Not(without_places(part))
        case Word(value):
            return Word(replace(value, position=0))
        case Comparison():
            return replace(tree, position=0, value=replace(tree.value, position=0))


def holds(tree: Expression, row: Row) -> bool:
    match tree:
        case And(parts):
            return all(holds(part, row) for part in parts)
        case Or(parts):
            return any(holds(part, row) for part in parts)
        case Not(part):
            return not holds(part, row)
        case Word(value):
            return any(has(row, field, value) for field in ("title", "category", "tags"))
        case Comparison(field, "!=", value):
            return not holds(Comparison(field, "=", value, 0), row)
        case Comparison(field, ":", value):
            return has(row, field, value)
        case Comparison(field, comparator, value):
            return compares(getattr(row, field), comparator, value, field)


def has(row: Row, field: str, value: Value) -> bool:
    cell = getattr(row, field)
    if field == "title":
        return cell != "" and (not value.text or re.search(word_pattern(value), cell.casefold()) is not None)
    if field == "category":
        parts = cell.split(" > ")
        places = {" > ".join(parts[:depth]) for depth in range(1, len(parts) + 1)} | set(parts)
        return cell != "" and any(like(place.casefold(), value, value.text.casefold()) for place in places)
    if field == "tags":
        return any(tag != "" and like(tag.casefold(), value, value.text.casefold()) for tag in cell)
    if not value.text:
        return cell != 0 if field == "created_at" else cell is not None
    return compares(cell, "=", value, field)


def word_pattern(value: Value) -> str:
    text = value.text.casefold()
    before = "" if value.any_before or not re.match(f"[{WORDS}]", text) else f"(?<![{WORDS}])"
    after = "" if value.any_after or not re.match(f"[{WORDS}]", text[-1]) else f"(?![{WORDS}])"
    return before + re.escape(text) + after


def like(cell: str, value: Value, text: str) -> bool:
    pattern = ".*" * value.any_before + re.escape(text) + ".*" * value.any_after
    return re.fullmatch(pattern, cell, re.DOTALL) is not None


def compares(cell: Any, comparator: str, value: Value, field: str) -> bool:
    left: Any
    right: Any
    if field in ("title", "category"):
        if cell == "":
            return False
        if comparator == "=":
            return like(cell, value, value.text)
        left, right = cell, value.text
    elif field == "price":
        if cell is None:
            return False
        left, right = float(np.float32(cell)), float(np.float32(float(value.text)))
    elif field == "created_at":
        if cell == 0:
            return False
        left, right = cell * 10, round(datetime.fromisoformat(value.text).timestamp() * 10)
    else:
        if cell is None:
            return False
        left, right = cell, value.text == "true"
    order = int(left > right) - int(left < right)
    return {"=": order == 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[comparator]


@given(trees)
def test_a_written_tree_is_read_as_it_was(tree: Expression) -> None:
    assert without_places(parse(written(tree))) == tree


@settings(max_examples=250, deadline=None)
@given(st.lists(rows, max_size=12), st.lists(trees, min_size=1, max_size=8))
def test_a_mask_is_what_looking_at_every_row_gives(table: list[Row], several: list[Expression]) -> None:
    columns = columns_of_rows(table)

    for tree in several:
        mask = compile_filter(written(tree), columns.schema).mask(columns)
        assert mask.tolist() == [holds(tree, row) for row in table], written(tree)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=12), st.lists(trees, min_size=1, max_size=4))
def test_attributes_of_a_stored_snapshot_are_what_they_were(table: list[Row], several: list[Expression]) -> None:
    columns = columns_of_rows(table)
    kept = ("title", "tags", "price", "in_stock", "organic")
    attributes = {f"{ATTRIBUTES}{name}": columns.by_name[name] for name in kept}
    with TemporaryDirectory() as folder:
        write_attributes(SnapshotWriter(Path(folder)), Columns(len(table), attributes))
        read = read_attributes(SnapshotReader(Path(folder)))
        assert {name: type(column) for name, column in read.items()} == {
            name: type(columns.by_name[name]) for name in kept
        }
        stored = Columns(len(table), {**columns.by_name, **read}, columns.searched)
        for tree in several:
            mask = compile_filter(written(tree), stored.schema).mask(stored)
            assert mask.tolist() == [holds(tree, row) for row in table], written(tree)
        backwards = np.arange(len(table), dtype=np.int32)[::-1]
        told = attributes_at(Columns(len(table), attributes), backwards)
        assert told["tags"] == [tuple(tag for tag in row.tags if tag) or None for row in table[::-1]]
        assert told["organic"] == [row.organic for row in table[::-1]]
        assert told["in_stock"] == [row.in_stock for row in table[::-1]]
        assert told["title"] == [row.title or None for row in table[::-1]]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text("abé牛", min_size=1, max_size=8), min_size=1, max_size=10), values_of(st.text("abé牛", max_size=3))
)
def test_searches_of_many_short_texts_agree_too(titles: list[str], value: Value) -> None:
    """Few letters: places where a text ends and the next begins look like matches."""
    columns = Columns(len(titles), {"title": Texts(TextColumn.of(titles))})
    table = [Row(title, "", [], None, False, 0) for title in titles]

    for comparator in ("=", ":"):
        mask = compile_filter(f"title {comparator} {quoted(value)}", columns.schema).mask(columns)
        assert mask.tolist() == [holds(Comparison("title", comparator, value, 0), row) for row in table]
