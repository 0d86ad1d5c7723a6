"""Items as columns in item-number order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from index.cells import joined
from index.settings import ITEM_COLUMNS
from index.texts import item_texts
from recsys.arrays import Bool, Float32, Int32, Int64, frozen

DEEPEST_LEVEL = 6
PATH_SEPARATOR = " > "


@dataclass(frozen=True, slots=True)
class Codes:
    """A column of categories: codes (n,) int32, -1 missing; ``labels[code]``, ascending by UTF-8 bytes."""

    codes: Int32
    labels: list[str]

    @classmethod
    def of(cls, values: pl.Series) -> Codes:
        """The codes of a text column (n,); null is missing."""
        labels = values.drop_nulls().unique().sort()
        return cls(numbers_of(values, labels), labels.to_list())


@dataclass(frozen=True, slots=True)
class Items:
    """n items in item-number order.

    titles: the id where there is none · texts: what is embedded, "" when nothing is known · categories: whole path with
    " > " or "" · brands: "" unknown · prices (n,) float32 as listed, NaN else · in_stock (n,) bool, True when unknown ·
    created_at (n,) int64 epoch seconds, 0 unknown · codes: family -> ``Codes``: category_1, category_2, … (prefixes of
    the path), brand, attribute columns · gone int32: numbers of what was deleted and only histories know.
    """

    titles: list[str]
    texts: list[str]
    categories: list[str]
    brands: list[str]
    prices: Float32
    in_stock: Bool
    created_at: Int64
    codes: Mapping[str, Codes]
    gone: Int32 = field(default_factory=lambda: frozen([], np.int32))

    def __len__(self) -> int:
        return len(self.titles)

    @classmethod
    def of(
        cls,
        table: pl.DataFrame | None,
        item_ids: Sequence[str],
        *,
        text_columns: Sequence[str],
        attributes: Sequence[str],
        deleted: Collection[str] = (),
    ) -> Items:
        """The columns of ``item_ids`` from cleaned items (None: no such table)."""
        known = table if table is not None else pl.DataFrame({"item_id": []}, schema={"item_id": pl.String})
        worded = {*text_columns, *attributes}
        known = known.with_columns(joined(name, dtype) for name, dtype in known.schema.items() if name in worded)
        if "category" in known.columns:
            known = known.with_columns(levels(known["category"]).list.join(PATH_SEPARATOR).alias("category"))
        ids = pl.DataFrame({"item_id": pl.Series(item_ids, dtype=pl.String)})
        rows = ids.join(known, on="item_id", how="left", maintain_order="left")
        path = levels(_column(rows, "category", pl.String()))
        # The id again where a title is missing: it is what a person can still look up.
        titles = _one_line(_column(rows, "title", pl.String())).fill_null(rows["item_id"])
        brands = _one_line(_column(rows, "brand", pl.String()))
        prices = _column(rows, "price", pl.Float64())
        in_stock = _column(rows, "in_stock", pl.Boolean()).fill_null(_column(rows, "stock", pl.Float64()) > 0)
        gone = ids["item_id"].is_in(list(deleted))
        codes = {prefix.name: Codes.of(prefix) for prefix in category_prefixes(path)}
        if brands.null_count() < brands.len():
            codes["brand"] = Codes.of(brands)
        codes.update({name: Codes.of(rows[name]) for name in attributes})
        return cls(
            titles=titles.to_list(),
            texts=item_texts(known, [name for name in text_columns if name in known.columns], item_ids),
            categories=path.list.join(PATH_SEPARATOR).fill_null("").to_list(),
            brands=brands.fill_null("").to_list(),
            prices=frozen(prices.fill_null(float("nan")).to_numpy(), np.float32),
            in_stock=frozen(in_stock.fill_null(True).to_numpy(), np.bool_),
            created_at=frozen(_column(rows, "created_at", pl.Int64()).fill_null(0).to_numpy(), np.int64),
            codes=codes,
            gone=frozen(gone.arg_true().to_numpy(), np.int32),
        )


def levels(categories: pl.Series) -> pl.Series:
    """The levels of category paths as lists of text, white space normalised; null where there is none."""
    parts = pl.col("path").str.split(">").list.eval(_tidy(pl.element()).replace("", None).drop_nulls())
    return categories.to_frame("path").select(pl.when(parts.list.len() > 0).then(parts)).to_series()


def category_prefixes(path: pl.Series) -> list[pl.Series]:
    """category_1, category_2, …: the first 1, 2, … levels of each path as text, null where it is shorter."""
    depth = min(DEEPEST_LEVEL, int(str(path.list.len().max() or 0)))
    prefixes = path.to_frame("path").select(
        pl.when(pl.col("path").list.len() >= level)
        .then(pl.col("path").list.head(level).list.join(PATH_SEPARATOR))
        .alias(f"category_{level}")
        for level in range(1, depth + 1)
    )
    return prefixes.get_columns()


def attribute_columns(items: pl.DataFrame) -> list[str]:
    """The columns of cleaned items that may serve as code families, in file order.

    A name that a category level or the brand already has is left out.
    """
    taken = {*ITEM_COLUMNS, *(f"category_{level}" for level in range(1, DEEPEST_LEVEL + 1))}
    return [name for name in items.columns if name not in taken]


def numbers_of(values: pl.Series, labels: pl.Series) -> Int32:
    """The position (n,) int32 of each text of ``values`` in ``labels`` (unique); -1 where it is null or absent."""
    if not labels.len():
        return frozen(np.full(values.len(), -1), np.int32)
    # An Enum looks up by hash, in the order its labels are given: no sort and no join of the long column.
    numbers = values.cast(pl.Enum(labels), strict=False).to_physical().cast(pl.Int32)
    return frozen(numbers.fill_null(-1).to_numpy(), np.int32)


def _column(rows: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Series:
    return rows[name] if name in rows.columns else pl.Series(name, [None] * rows.height, dtype=dtype)


def _one_line(values: pl.Series) -> pl.Series:
    return values.to_frame("text").select(_tidy(pl.col("text"))).to_series()


def _tidy(spelled: pl.Expr) -> pl.Expr:
    return spelled.str.replace_all(r"\s+", " ").str.strip_chars()
