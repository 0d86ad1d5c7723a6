"""Columns of text: one a row, many a row, or a path of levels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any, ClassVar

import numpy as np

from recsys.arrays import Bool, Int32, Int64, frozen
from recsys.errors import FilterError, SnapshotCorrupt
from recsys.filters.dictionary import Coded, Dictionary
from recsys.filters.expressions import Comparison, Value
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.text_column import TextColumn

SEPARATOR = " > "
_SEPARATOR = re.compile(r"\s*>\s*")
_NO_CODES: Int32 = np.empty(0, np.int32)
# One of so many entries: from there on it is faster to count them all than to look up whose each of them is.
_FEW = 50


@dataclass(frozen=True, eq=False)
class Texts:
    """One text a row, "" missing. ``=`` and order compare case and all; ``:`` finds whole words, whatever the case.

    ``title:"whole milk"`` wants the two words side by side, ``title:"choco*"`` takes words that go on. Order is that of
    code points, and compares with quoted text only: ``title < 3`` is a mistake more often than not.
    """

    kind: ClassVar[str] = "text"
    source: TextColumn | Coded

    def __len__(self) -> int:
        return len(self.source)

    @classmethod
    def operand(cls, comparison: Comparison) -> Value:
        """The value that ``select`` takes. FilterError when it cannot be compared so."""
        value, comparator = _not_empty(comparison), comparison.comparator
        if comparator in ("<", "<=", ">", ">="):
            if not value.quoted:
                raise FilterError(f"{comparison.field} is text and {comparator} wants it in quotes", value.position)
            if value.any_before or value.any_after:
                raise FilterError(f"{comparator} takes no *", value.position)
        return value

    @cached_property
    def coded(self) -> Coded:
        """The distinct texts and the code of each row; made at the first use of what has none."""
        return _coded(self.source)

    def present(self) -> Bool:
        """Where there is a text; (n,) bool."""
        return self.coded.codes >= 0

    def select(self, comparator: str, operand: Any) -> Bool:
        """Where the comparison holds; (n,) bool, False where the text is missing."""
        dictionary, codes = self.coded.dictionary, self.coded.codes
        if comparator == ":":
            return rows_with(dictionary.containing(operand), codes)
        if comparator == "=":
            return rows_with(dictionary.equal(operand), codes)
        lowest = dictionary.below(operand.text)
        equal = lowest < len(dictionary) and dictionary.values[lowest] == operand.text
        border = lowest + 1 if equal and comparator in (">", "<=") else lowest
        return codes >= border if comparator in (">", ">=") else (codes >= 0) & (codes < border)


@dataclass(frozen=True, eq=False)
class TextLists:
    """Any number of texts a row: offsets (n+1,) int64 into codes (total,) int32 of ``dictionary``, -1 missing.

    Only ``:`` compares, and is true where any of a row's texts is the value, whatever the case.
    """

    kind: ClassVar[str] = "a list of text"
    dictionary: Dictionary
    offsets: Int64
    codes: Int32

    @classmethod
    def of(cls, rows: Iterable[Sequence[str]]) -> TextLists:
        """The column of ``rows``."""
        known = list(rows)
        offsets = np.zeros(len(known) + 1, np.int64)
        np.cumsum([len(row) for row in known], out=offsets[1:])
        coded = Coded.of(chain.from_iterable(known))
        return cls(coded.dictionary, frozen(offsets, np.int64), coded.codes)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def operand(cls, comparison: Comparison) -> Value:
        """The value that ``select`` takes. FilterError on any comparator but ``:``."""
        if comparison.comparator != ":":
            raise FilterError(f"{comparison.field} is {cls.kind}: only : compares it", comparison.position)
        return _not_empty(comparison)

    def present(self) -> Bool:
        """Where a row has a text; (n,) bool."""
        return self._any(self.codes >= 0)

    def select(self, comparator: str, operand: Any) -> Bool:
        """Where the comparison holds; (n,) bool."""
        return self._any(rows_with(self.dictionary.alike(operand), self.codes))

    def at(self, items: Int32) -> list[tuple[str, ...]]:
        """The texts of rows ``items`` (N,), in their order; () where a row has none."""
        rows = [self.codes[self.offsets[item] : self.offsets[item + 1]] for item in items.tolist()]
        codes = [row[row >= 0] for row in rows]
        texts = iter(self.dictionary.values.many(np.concatenate([*codes, _NO_CODES])))
        return [tuple(islice(texts, len(row))) for row in codes]

    def write(self, out: SnapshotWriter, name: str) -> None:
        """Store as the array ``<name>.offsets`` and what ``Coded`` stores as ``<name>.entries``."""
        out.array(f"{name}.offsets", self.offsets)
        Coded(self.dictionary, self.codes).write(out, f"{name}.entries")

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> TextLists:
        """The column that ``write`` stored, memory-mapped. SnapshotCorrupt when its parts do not fit together."""
        offsets, coded = src.array(f"{name}.offsets"), Coded.read(src, f"{name}.entries")
        codes, n_texts = coded.codes, len(coded.dictionary)
        fits = offsets.dtype == np.int64 and offsets.ndim == 1 and len(offsets) > 0
        fits = fits and offsets[0] == 0 and offsets[-1] == len(codes) and not np.any(np.diff(offsets) < 0)
        if not fits or not -1 <= codes.min(initial=-1) <= codes.max(initial=-1) < n_texts:
            raise SnapshotCorrupt(f"snapshot {src.version}: arrays {name}.* do not fit together")
        return cls(coded.dictionary, offsets, codes)

    def _any(self, hits: Bool) -> Bool:
        places = np.flatnonzero(hits)
        result: Bool
        if len(places) * _FEW <= len(hits):
            result = np.zeros(len(self), np.bool_)
            result[self.offsets.searchsorted(places, "right") - 1] = True
        else:
            counts = np.zeros(len(hits) + 1, np.int32)
            np.cumsum(hits, out=counts[1:])
            before = counts[self.offsets]
            result = before[1:] > before[:-1]
        return result


@dataclass(frozen=True, eq=False)
class Paths:
    """A path of levels joined by " > " a row, "" missing.

    ``:`` is true where any level, or the path down to any level, is the value, whatever the case: ``category:"Dairy"``,
    ``category:"Food > Dairy"``. ``=`` compares whole paths, case and all. Nothing orders them.
    """

    kind: ClassVar[str] = "a path"
    source: TextColumn | Coded

    def __len__(self) -> int:
        return len(self.source)

    @classmethod
    def operand(cls, comparison: Comparison) -> Value:
        """The value that ``select`` takes, spaces around > set right. FilterError on a comparator that orders."""
        if comparison.comparator not in ("=", ":"):
            raise FilterError(f"{comparison.field} is {cls.kind}: only =, != and : compare it", comparison.position)
        value = _not_empty(comparison)
        return Value(_SEPARATOR.sub(SEPARATOR, value.text), value.position, value.any_before, value.any_after)

    @cached_property
    def coded(self) -> Coded:
        """The distinct paths and the code of each row; made at the first use of what has none."""
        return _coded(self.source)

    @cached_property
    def places(self) -> TextLists:
        """What ``:`` may name, for each distinct path: its levels and the paths down to them."""
        dictionary = self.coded.dictionary
        return TextLists.of(_places(path) for path in dictionary.values.many(range(len(dictionary))))

    def present(self) -> Bool:
        """Where there is a path; (n,) bool."""
        return self.coded.codes >= 0

    def select(self, comparator: str, operand: Any) -> Bool:
        """Where the comparison holds; (n,) bool, False where the path is missing."""
        dictionary, codes = self.coded.dictionary, self.coded.codes
        return rows_with(self.places.select(":", operand) if comparator == ":" else dictionary.equal(operand), codes)


def rows_with(matched: Bool, codes: Int32) -> Bool:
    """Which rows (n,) have a code that is ``matched`` (n_values,); code -1 has none."""
    numbers = np.flatnonzero(matched)
    if not len(numbers):
        return np.zeros(len(codes), np.bool_)
    # Comparing codes is several times faster than looking each of them up; neighbours are what a prefix finds.
    first, last = int(numbers[0]), int(numbers[-1])
    result: Bool
    if first == last:
        result = codes == first
    elif last - first + 1 == len(numbers):
        result = (codes >= first) & (codes <= last)
    else:
        result = np.append(matched, False)[codes]
    return result


def _coded(source: TextColumn | Coded) -> Coded:
    return source if isinstance(source, Coded) else Coded.of(source.many(range(len(source))))


def _places(path: str) -> list[str]:
    levels = path.split(SEPARATOR)
    return levels + [SEPARATOR.join(levels[:depth]) for depth in range(2, len(levels) + 1)]


def _not_empty(comparison: Comparison) -> Value:
    value = comparison.value
    if not value.text and not value.is_anything:
        hint = f"NOT {comparison.field}:* finds where it is missing"
        raise FilterError("nothing equals an empty text", value.position, hint=hint)
    return value
