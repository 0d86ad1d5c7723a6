"""A filter as a tree: what was written, before anybody knows which fields exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Comparator = Literal["=", "!=", "<", "<=", ">", ">=", ":"]


@dataclass(frozen=True, slots=True)
class Value:
    """A literal: ``text`` without quotes, escapes and wildcards, at ``position`` (characters from 0) of the filter.

    any_before, any_after: a ``*`` stood at its start, its end. Both and no text: the ``*`` alone.
    """

    text: str
    position: int
    any_before: bool = False
    any_after: bool = False
    quoted: bool = False

    @property
    def is_anything(self) -> bool:
        """True for ``*`` alone: whatever is present."""
        return self.any_before and self.any_after and not self.text


@dataclass(frozen=True, slots=True)
class Comparison:
    """``field`` compared with a value; ``position`` is the field's, its dotted parts are joined by a point."""

    field: str
    comparator: Comparator
    value: Value
    position: int


@dataclass(frozen=True, slots=True)
class Word:
    """A value without a field: it may stand in any of the searched ones."""

    value: Value


@dataclass(frozen=True, slots=True)
class And:
    """True where all parts are; no part at all is the empty filter, true everywhere."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True where any part is."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True where the part is not."""

    part: Expression


Expression = And | Or | Not | Comparison | Word


def leaves(expression: Expression) -> Iterator[Comparison | Word]:
    """The comparisons and words of ``expression``, in their order."""
    match expression:
        case And(parts) | Or(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield expression
