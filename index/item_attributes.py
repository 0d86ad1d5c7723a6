"""The items' other columns, as filters may ask for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from index.items import Codes, attribute_columns
from recsys.arrays import frozen
from recsys.filters.columns import Column, Numbers, Texts
from recsys.filters.dictionary import Coded, Dictionary
from recsys.text_column import TextColumn

# A snapshot is mapped by every worker and copied to every server: what nobody filters by should not make it large.
MOST_ATTRIBUTES = 64
LARGEST_TEXTS = 64_000_000


def attributes_of(table: pl.DataFrame | None, item_ids: Sequence[str]) -> tuple[dict[str, Column], tuple[str, ...]]:
    """The columns of cleaned items that are none of ours, by name, and the names of those that are left out.

    A column of which every cell is a finite number is one of numbers, any other that has a value at all is text. Left
    out are those of more than ``LARGEST_TEXTS`` bytes of distinct texts, and all behind the first ``MOST_ATTRIBUTES``.
    """
    if table is None:
        return {}, ()
    names = attribute_columns(table)
    ids = pl.DataFrame({"item_id": pl.Series(item_ids, dtype=pl.String)})
    rows = ids.join(table.select("item_id", *names), on="item_id", how="left", maintain_order="left")
    found: dict[str, Column] = {}
    left_out: list[str] = []
    for name in names:
        texts = rows[name].replace("", None)
        if texts.null_count() == texts.len():
            continue
        column = _column(texts) if len(found) < MOST_ATTRIBUTES else None
        if column is None:
            left_out.append(name)
        else:
            found[name] = column
    return found, tuple(left_out)


def _column(texts: pl.Series) -> Column | None:
    numbers = texts.cast(pl.Float64, strict=False)
    if numbers.is_finite().sum() == texts.len() - texts.null_count():
        return Numbers(frozen(numbers.fill_null(float("nan")).to_numpy(), np.float64))
    codes = Codes.of(texts)
    if sum(len(label.encode()) for label in codes.labels) > LARGEST_TEXTS:
        return None
    return Texts(Coded(Dictionary(TextColumn.of(codes.labels)), codes.codes))
