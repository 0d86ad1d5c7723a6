"""Looking for one text in many at once: array operations over a column's bytes, never a loop over its rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Bool, Int64
from recsys.text_column import TextColumn

# Every so many bytes are looked at to guess which of a needle's bytes is the rarest.
_SAMPLING = 64
# U+00C0 to U+07FF in UTF-8: the letters of Latin, Greek, Cyrillic, Armenian, Hebrew and Arabic beyond ASCII.
_FIRST_LEAD, _LAST_LEAD = 0xC3, 0xDF


def is_word_character(character: str) -> bool:
    """True for letters and digits of scripts that put spaces between words; a Chinese or Thai one is a word of its own.

    ASCII letters and digits, and U+00C0 to U+07FF.
    """
    return (character.isascii() and character.isalnum()) or "\u00c0" <= character <= "\u07ff"


def whole_matches(column: TextColumn, text: str, *, any_before: bool, any_after: bool) -> Bool:
    """Which of n texts are ``text``, or only end (any_before), begin (any_after) or go on around it: (n,) bool."""
    needle = text.encode("utf-8")
    if any_before and any_after:
        return _rows_of(column, _occurrences(column, needle)) if needle else np.ones(len(column), np.bool_)
    lengths = np.diff(column.offsets)
    rows = np.flatnonzero(lengths >= len(needle) if any_before or any_after else lengths == len(needle))
    starts = column.offsets[rows + 1] - len(needle) if any_before else column.offsets[rows]
    for position, byte in enumerate(needle):
        same = column.blob[starts + position] == byte
        rows, starts = rows[same], starts[same]
    found = np.zeros(len(column), np.bool_)
    found[rows] = True
    return found


def word_matches(column: TextColumn, text: str, *, any_before: bool, any_after: bool) -> Bool:
    """Which of n texts hold ``text`` as whole words, (n,) bool; any_before, any_after: words may go on there.

    A place counts unless a word character of ``text`` touches another one outside of it (``is_word_character``).
    """
    needle = text.encode("utf-8")
    if not needle:
        return np.ones(len(column), np.bool_)
    at = _occurrences(column, needle)
    rows = column.offsets.searchsorted(at, "right") - 1
    if not any_before and is_word_character(text[0]):
        free = ~_ends_in_word(column.blob, at, column.offsets[rows])
        at, rows = at[free], rows[free]
    if not any_after and is_word_character(text[-1]):
        rows = rows[~_begins_with_word(column.blob, at + len(needle), column.offsets[rows + 1])]
    found = np.zeros(len(column), np.bool_)
    found[rows] = True
    return found


def _occurrences(column: TextColumn, needle: bytes) -> Int64:
    """Where in the blob ``needle`` (not empty) stands inside one text, ascending."""
    blob = column.blob
    last = len(blob) - len(needle)
    if last < 0:
        return np.empty(0, np.int64)
    letters = np.frombuffer(needle, np.uint8)
    # The rarest byte first: few places are left for all others.
    anchor = int(np.bincount(blob[::_SAMPLING], minlength=256)[letters].argmin())
    at = np.flatnonzero(blob[anchor : anchor + last + 1] == letters[anchor])
    for position, byte in enumerate(letters):
        if position != anchor:
            at = at[blob[at + position] == byte]
    ends = column.offsets[column.offsets.searchsorted(at, "right")]
    return at[at + len(needle) <= ends]


def _rows_of(column: TextColumn, at: Int64) -> Bool:
    found = np.zeros(len(column), np.bool_)
    found[column.offsets.searchsorted(at, "right") - 1] = True
    return found


def _ends_in_word(blob: NDArray[np.uint8], at: Int64, floor: Int64) -> Bool:
    """Whether the character before byte ``at`` is a word character; none is where the text starts, at ``floor``."""
    before = blob[np.maximum(at - 1, 0)]
    lead = blob[np.maximum(at - 2, 0)]
    # A continuation byte behind a two-byte lead; behind anything else it belongs to a longer character.
    long = (before >= 0x80) & (before < 0xC0) & (lead >= _FIRST_LEAD) & (lead <= _LAST_LEAD)
    result: Bool = (at > floor) & (_is_ascii_word(before) | long)
    return result


def _begins_with_word(blob: NDArray[np.uint8], at: Int64, ceiling: Int64) -> Bool:
    """Whether the character at byte ``at`` is a word character; none is where the text ends, at ``ceiling``."""
    after = blob[np.minimum(at, len(blob) - 1)]
    result: Bool = (at < ceiling) & (_is_ascii_word(after) | ((after >= _FIRST_LEAD) & (after <= _LAST_LEAD)))
    return result


def _is_ascii_word(letters: NDArray[np.uint8]) -> Bool:
    lower = letters | 0x20
    result: Bool = ((lower >= ord("a")) & (lower <= ord("z"))) | ((letters >= ord("0")) & (letters <= ord("9")))
    return result
