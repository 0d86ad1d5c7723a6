"""The distinct texts of a column, sorted, so that rows hold small numbers and every text is looked at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recsys.arrays import Bool, Int32, frozen
from recsys.filters.expressions import Value
from recsys.filters.search import whole_matches, word_matches
from recsys.text_column import TextColumn


@dataclass(frozen=True, eq=False)
class Dictionary:
    """values: n_values distinct texts, none empty, ascending by UTF-8 bytes; a code is a text's number among them."""

    values: TextColumn

    @classmethod
    def of(cls, texts: Iterable[str]) -> tuple[Dictionary, Int32]:
        """The dictionary of ``texts`` and their codes (n,) int32, -1 for the empty text, which is missing."""
        known = list(texts)
        # Code points sort as their UTF-8 bytes do.
        values = sorted(set(known) - {""})
        numbers = {value: number for number, value in enumerate(values)} | {"": -1}
        codes = np.fromiter((numbers[text] for text in known), np.int32, len(known))
        return cls(TextColumn.of(values)), frozen(codes, np.int32)

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def folded(self) -> TextColumn:
        """The values without differences of case, in the same order."""
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
