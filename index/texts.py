"""The text of every item that gets embedded."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

# Shorter ids are ordinary numbers and words too often ("7 Up" may well be item 7).
SHORTEST_BARE_ID = 4

_WORDS = r"[\p{L}\p{N}]+"


def item_texts(items: pl.DataFrame, columns: Sequence[str], item_ids: Sequence[str]) -> list[str]:
    """One text an id of ``item_ids``, in that order; "" where nothing is known.

    items: columns item_id and ``columns``, text, null unknown; a row an id. The columns are joined in the order given;
    levels of a path are parts of their own, and a part whose words have all been said already is left out. The item's
    own id says nothing about it and is removed: ``(#123)`` always, a bare one from four characters on. White space is
    normalised. A run of letters without spaces (Chinese, Japanese) counts as one word and survives whole.
    """
    one_line = (pl.col(column).str.replace_all(r"\s+", " ") for column in columns)
    known = items.select(
        "item_id", *(line.str.replace_all(" > ", "\n", literal=True).name.prefix("#") for line in one_line)
    )
    order = pl.DataFrame({"item_id": pl.Series(item_ids, dtype=pl.String)})
    table = order.join(known, on="item_id", how="left", maintain_order="left")
    if not columns:
        return [""] * table.height
    cells = table.with_row_index("row").select(
        "row",
        "item_id",
        part=pl.concat_list(pl.col(f"#{column}").fill_null("").str.split("\n") for column in columns),
    )
    parts = _without_ids(cells.explode("part", empty_as_null=True).with_row_index("position"))
    told = _new_parts(parts.filter(pl.col("part").str.contains(_WORDS)))
    texts = told.group_by("row", maintain_order=True).agg(pl.col("part").str.join(". "))
    joined = cells.select("row").join(texts, on="row", how="left", maintain_order="left")
    return joined.get_column("part").fill_null("").to_list()


def _without_ids(parts: pl.DataFrame) -> pl.DataFrame:
    """The parts, white space normalised, without tokens that are the item's own id."""
    tokens = parts.with_columns(token=pl.col("part").str.extract_all(r"\S+")).explode("token", empty_as_null=True)
    is_id = pl.col("token").str.strip_chars("()[]#,;") == pl.col("item_id")
    says_so = pl.col("token").str.contains("#", literal=True)
    long_enough = pl.col("item_id").str.len_chars() >= SHORTEST_BARE_ID
    kept = tokens.filter(~(is_id & (says_so | long_enough)).fill_null(False))
    return kept.group_by("position", "row", maintain_order=True).agg(part=pl.col("token").str.join(" "))


def _new_parts(parts: pl.DataFrame) -> pl.DataFrame:
    """The parts that say at least one word for the first time in their row's text."""
    words = (
        parts.select("row", "position", word=pl.col("part").str.to_lowercase().str.extract_all(_WORDS))
        .explode("word", empty_as_null=True)
        .filter(pl.struct("row", "word").is_first_distinct())
    )
    return parts.filter(pl.col("position").is_in(words.get_column("position").unique().implode()))
