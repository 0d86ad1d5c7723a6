"""The distinct texts of a column, sorted, so that rows hold small numbers and every text is looked at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recsys.arrays import Bool, Int32, frozen
from recsys.errors import SnapshotCorrupt
from recsys.filters.expressions import Value
from recsys.filters.search import whole_matches, word_matches
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.text_column import TextColumn


@dataclass(frozen=True, eq=False)
class Dictionary:
    """values: n_values distinct texts, none empty, ascending by UTF-8 bytes; a code is a text's number among them.

    stored: what ``folded`` would work out, where a snapshot holds it.
    """

    values: TextColumn
    stored: TextColumn | None = None

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def folded(self) -> TextColumn:
        """The values without differences of case, in the same order."""
        if self.stored is not None:
            return self.stored
        return TextColumn.of(text.casefold() for text in self.values.many(range(len(self))))

    def below(self, text: str) -> int:
        """How many values sort before ``text``."""
        return bisect_left(range(len(self)), text, key=self.values.__getitem__)

    def equal(self, value: Value) -> Bool:
        """Which values are ``value``, case and all; (n_values,) bool."""
        return whole_matches(self.values, value.text, any_before=value.any_before, any_after=value.any_after)

    def alike(self, value: Value) -> Bool:
        """Which values are ``value`` but for case; (n_values,) bool."""
        text = value.text.casefold()
        return whole_matches(self.folded, text, any_before=value.any_before, any_after=value.any_after)

    def containing(self, value: Value) -> Bool:
        """Which values hold ``value`` as whole words, whatever the case; (n_values,) bool."""
        text = value.text.casefold()
        return word_matches(self.folded, text, any_before=value.any_before, any_after=value.any_after)


@dataclass(frozen=True, eq=False)
class Coded:
    """A column of texts by its dictionary: codes (n,) int32, -1 missing."""

    dictionary: Dictionary
    codes: Int32

    @classmethod
    def of(cls, texts: Iterable[str]) -> Coded:
        """The column of ``texts``; the empty text is missing. Two seconds for a million distinct ones."""
        known = list(texts)
        # Code points sort as their UTF-8 bytes do.
        values = sorted(set(known) - {""})
        numbers = {value: number for number, value in enumerate(values)} | {"": -1}
        codes = np.fromiter((numbers[text] for text in known), np.int32, len(known))
        return cls(Dictionary(TextColumn.of(values)), frozen(codes, np.int32))

    def __len__(self) -> int:
        return len(self.codes)

    def write(self, out: SnapshotWriter, name: str) -> None:
        """Store as ``<name>.*`` arrays, the texts without differences of case among them."""
        self.dictionary.values.write(out, f"{name}.values")
        self.dictionary.folded.write(out, f"{name}.folded")
        out.array(f"{name}.codes", self.codes)

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> Coded:
        """The column that ``write`` stored, memory-mapped. SnapshotCorrupt when its parts do not fit together."""
        values, folded = (TextColumn.read(src, f"{name}.{part}") for part in ("values", "folded"))
        codes = src.array(f"{name}.codes")
        if codes.dtype != np.int32 or codes.ndim != 1 or len(values) != len(folded):
            raise SnapshotCorrupt(f"snapshot {src.version}: arrays {name}.* do not fit together")
        return cls(Dictionary(values, folded), codes)
