"""The items' other columns, as filters may ask for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from index.cells import is_list
from index.items import Codes, attribute_columns
from recsys.arrays import frozen
from recsys.filters.columns import Booleans, Column, Numbers, TextLists, Texts
from recsys.filters.dictionary import Coded, Dictionary
from recsys.filters.value_columns import flag_in
from recsys.text_column import TextColumn

# A snapshot is mapped by every worker and copied to every server: what nobody filters by should not make it large.
MOST_ATTRIBUTES = 64
LARGEST_TEXTS = 64_000_000
MOST_ENTRIES = 16_000_000
# true, True, TRUE, and the same with a space about them: a column of more different texts says something else too.
MOST_SPELLINGS = 64


def attributes_of(table: pl.DataFrame | None, item_ids: Sequence[str]) -> tuple[dict[str, Column], tuple[str, ...]]:
    """The columns of cleaned items that are none of ours, by name, and the names of those that are left out.

    A column of lists is one of lists. One of which every cell is a finite number is one of numbers, true or false in
    whatever case make one of these, any other that has a value at all is text. Left out are those of more than
    ``LARGEST_TEXTS`` bytes of distinct texts, lists of more than ``MOST_ENTRIES``, and all behind the first
    ``MOST_ATTRIBUTES``.
    """
    if table is None:
        return {}, ()
    names = attribute_columns(table)
    ids = pl.DataFrame({"item_id": pl.Series(item_ids, dtype=pl.String)})
    rows = ids.join(table.select("item_id", *names), on="item_id", how="left", maintain_order="left")
    found: dict[str, Column] = {}
    left_out: list[str] = []
    for name in names:
        cells, of_lists = rows[name], is_list(rows.schema[name])
        cells = cells if of_lists else cells.replace("", None)
        if cells.null_count() == cells.len():
            continue
        column = None
        if len(found) < MOST_ATTRIBUTES:
            column = _lists(cells) if of_lists else _column(cells)
        if column is None:
            left_out.append(name)
        else:
            found[name] = column
    return found, tuple(left_out)


def _lists(cells: pl.Series) -> Column | None:
    counts = cells.list.len().fill_null(0).to_numpy()
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    if offsets[-1] > MOST_ENTRIES:
        return None
    coded = _coded(cells.drop_nulls().list.explode(keep_nulls=False, empty_as_null=False))
    return None if coded is None else TextLists(coded.dictionary, frozen(offsets, np.int64), coded.codes)


def fitting(cells: pl.Series, column: pl.Series) -> pl.Series:
    """bool (c,): which of the texts ``cells`` could stand in ``column``, texts too, without making another kind of it.

    What is unknown fits any, and anything fits a column without a value.
    """
    known = column.replace("", None).drop_nulls()
    unknown = (cells.is_null() | (cells == "")).fill_null(True)
    if not known.len():
        return pl.repeat(True, cells.len(), eager=True)
    if _numbers(known) is not None:
        return unknown | cells.cast(pl.Float64, strict=False).is_finite().fill_null(False)
    spellings = known.unique()
    if spellings.len() <= MOST_SPELLINGS and all(flag_in(text) is not None for text in spellings):
        return unknown | pl.Series([text is not None and flag_in(text) is not None for text in cells], dtype=pl.Boolean)
    return pl.repeat(True, cells.len(), eager=True)


def _numbers(texts: pl.Series) -> pl.Series | None:
    """float64 (n,), null unknown; None where any of the texts is no finite number."""
    numbers = texts.cast(pl.Float64, strict=False)
    return numbers if numbers.is_finite().sum() == texts.len() - texts.null_count() else None


def _column(texts: pl.Series) -> Column | None:
    numbers = _numbers(texts)
    if numbers is not None:
        return Numbers(frozen(numbers.fill_null(float("nan")).to_numpy(), np.float64))
    coded = _coded(texts)
    if coded is None:
        return None
    booleans = _booleans(coded)
    return Texts(coded) if booleans is None else booleans


def _coded(texts: pl.Series) -> Coded | None:
    codes = Codes.of(texts)
    if sum(len(label.encode()) for label in codes.labels) > LARGEST_TEXTS:
        return None
    return Coded(Dictionary(TextColumn.of(codes.labels)), codes.codes)


def _booleans(coded: Coded) -> Booleans | None:
    if len(coded.dictionary) > MOST_SPELLINGS:
        return None
    flags = [flag_in(text) for text in coded.dictionary.values.many(range(len(coded.dictionary)))]
    if None in flags:
        return None
    known = coded.codes >= 0
    values = np.array([*flags, False], np.bool_)[coded.codes]
    return Booleans(frozen(values, np.bool_), None if known.all() else frozen(known, np.bool_))
