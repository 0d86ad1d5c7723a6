"""Profile columns of users in user-number order: numbers as numbers, everything else as categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from index.cells import number
from index.items import Codes
from recsys.arrays import Float32, frozen

# "02134" is a code that happens to consist of digits, "0" and "0.5" are numbers.
_LEADING_ZERO = r"^[+-]?0\d"


@dataclass(frozen=True, slots=True)
class Profiles:
    """columns: name -> float32 (n_users,), NaN unknown, or ``Codes`` of n_users rows. Empty without a users table."""

    columns: Mapping[str, Float32 | Codes]

    @classmethod
    def of(cls, table: pl.DataFrame | None, user_ids: Sequence[str]) -> Profiles:
        """The profile columns of ``user_ids`` from cleaned users; users without a row are unknown in every column.

        A column is numeric when every cell it has is a number: ``35-49K`` or ``5+`` anywhere make it categories. It
        is judged by what is written, not by the file's type, so that all formats agree. Empty columns are left out.
        """
        if table is None:
            return cls({})
        ids = pl.DataFrame({"user_id": pl.Series(user_ids, dtype=pl.String)})
        rows = ids.join(table, on="user_id", how="left", maintain_order="left").drop("user_id")
        return cls({column.name: _read(column) for column in rows.get_columns() if column.null_count() < column.len()})


def _read(column: pl.Series) -> Float32 | Codes:
    numbers = column.to_frame().select(number(column.name, column.dtype)).to_series()
    if numbers.is_infinite().any() or column.str.contains(_LEADING_ZERO).any() or not numbers.is_not_null().any():
        return Codes.of(column)
    return frozen(numbers.fill_null(float("nan")).to_numpy(), np.float32)
