"""Columns of numbers, of true and false, and of times."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int64
from recsys.errors import FilterError, SnapshotCorrupt
from recsys.filters.expressions import Comparison
from recsys.filters.literals import shown
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    ":": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.(?P<fraction>[0-9]+))?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)


@dataclass(frozen=True, eq=False)
class Numbers:
    """values (n,) float32 or float64, NaN missing. A literal is rounded to the column's type: 2.99 equals 2.99."""

    kind: ClassVar[str] = "a number"
    values: Float32 | Float64

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def operand(cls, comparison: Comparison) -> float:
        """The number that ``select`` takes. FilterError when the value is none."""
        text = comparison.value.text
        if _starred(comparison) or not _NUMBER.fullmatch(text):
            raise _wrong(comparison, "a number, such as 2.99")
        return float(text)

    def present(self) -> Bool:
        """Where there is a number; (n,) bool."""
        return ~np.isnan(self.values)

    def select(self, comparator: str, operand: Any) -> Bool:
        """Where the comparison holds; (n,) bool, False where the number is missing."""
        # A literal beyond the type's range becomes infinite, which compares as it should.
        with np.errstate(over="ignore"):
            border = np.asarray(operand).astype(self.values.dtype)
        result: Bool = _COMPARE[comparator](self.values, border)
        return result


@dataclass(frozen=True, eq=False)
class Booleans:
    """values (n,) bool, known (n,) bool where there is one, None: everywhere. Compared with true and false, by =, !=
    and : alone.
    """

    kind: ClassVar[str] = "true or false"
    values: Bool
    known: Bool | None = None

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def operand(cls, comparison: Comparison) -> bool:
        """What ``select`` takes. FilterError when the value is neither true nor false, or is to be ordered."""
        if comparison.comparator not in ("=", ":"):
            raise FilterError(f"{comparison.field} is {cls.kind}: only =, != and : compare it", comparison.position)
        if _starred(comparison) or comparison.value.text not in ("true", "false"):
            raise _wrong(comparison, "true or false")
        return comparison.value.text == "true"

    def present(self) -> Bool:
        """Where there is a value; (n,) bool."""
        return np.ones(len(self), np.bool_) if self.known is None else self.known.copy()

    def select(self, comparator: str, operand: Any) -> Bool:
        """Where the comparison holds; (n,) bool, False where the value is missing."""
        result: Bool = self.values == operand
        return result if self.known is None else result & self.known

    def write(self, out: SnapshotWriter, name: str) -> None:
        """Store as the array ``<name>.flags`` and, where values are missing, ``<name>.known``."""
        out.array(f"{name}.flags", self.values)
        if self.known is not None:
            out.array(f"{name}.known", self.known)

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> Booleans:
        """The column that ``write`` stored, memory-mapped. SnapshotCorrupt when its parts do not fit together."""
        values = src.array(f"{name}.flags")
        known = src.array(f"{name}.known") if src.has(f"{name}.known") else None
        parts = (values,) if known is None else (values, known)
        if any(part.dtype != np.bool_ or part.ndim != 1 or len(part) != len(values) for part in parts):
            raise SnapshotCorrupt(f"snapshot {src.version}: arrays {name}.* do not fit together")
        return cls(values, known)


@dataclass(frozen=True, eq=False)
class Times:
    """seconds (n,) int64 since 1970, 0 missing. Compared with RFC 3339; a date alone is its midnight, in UTC."""

    kind: ClassVar[str] = "a time"
    seconds: Int64

    def __len__(self) -> int:
        return len(self.seconds)

    @classmethod
    def operand(cls, comparison: Comparison) -> Fraction:
        """The seconds since 1970 that ``select`` takes. FilterError when the value is no time."""
        text = comparison.value.text
        shape = None if _starred(comparison) else _TIME.fullmatch(text)
        if shape is None:
            raise _wrong(comparison, "a time, such as 2024-05-31T12:00:00Z or 2024-05-31")
        fraction = shape["fraction"] or "0"
        try:
            moment = datetime.fromisoformat(text.upper().replace(f".{fraction}", "", 1))
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            raise _wrong(comparison, "a time that exists") from None
        return Fraction(int(seconds)) + Fraction(int(fraction), 10 ** len(fraction))

    def present(self) -> Bool:
        """Where there is a time; (n,) bool."""
        known: Bool = self.seconds != 0
        return known

    def select(self, comparator: str, operand: Any) -> Bool:
        """Where the comparison holds; (n,) bool, False where the time is missing."""
        # Whole seconds compare with a part of one as with the whole one before or after it, exactly.
        if operand.denominator != 1 and comparator in ("=", ":"):
            return np.zeros(len(self), np.bool_)
        border = int(operand.__ceil__() if comparator in ("<", ">=") else operand.__floor__())
        result: Bool = self.present() & _COMPARE[comparator](self.seconds, border)
        return result


def flag_in(text: str) -> bool | None:
    """Whether the cell ``text`` says true or false, in whatever case; None where it says neither."""
    return {"true": True, "false": False}.get(text.strip().lower())


def _starred(comparison: Comparison) -> bool:
    return comparison.value.any_before or comparison.value.any_after


def _wrong(comparison: Comparison, wanted: str) -> FilterError:
    value = comparison.value
    text = "*" * value.any_before + value.text + "*" * (value.any_after and not value.is_anything)
    return FilterError(f"{comparison.field} must be compared with {wanted}, got {shown(text)}", value.position)
