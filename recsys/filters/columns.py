"""What filters are evaluated on: items' fields by name, each of a kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from recsys.arrays import Bool
from recsys.filters.expressions import Comparison
from recsys.filters.text_columns import Paths, TextLists, Texts
from recsys.filters.value_columns import Booleans, Numbers, Times

__all__ = ["Booleans", "Column", "Columns", "Numbers", "Paths", "Schema", "TextLists", "Texts", "Times"]


class Column(Protocol):
    """One field of n items. A missing value satisfies no comparison and no presence; ``kind`` names it in messages."""

    kind: ClassVar[str]

    def __len__(self) -> int: ...

    @classmethod
    def operand(cls, comparison: Comparison) -> Any:
        """What ``select`` takes for ``comparison``, which is neither ``!=`` nor a ``:*``. FilterError where none is."""
        ...

    def present(self) -> Bool:
        """Where there is a value; (n,) bool, the caller's own."""
        ...

    def select(self, comparator: str, operand: Any) -> Bool:
        """Where the value compares so; (n,) bool, the caller's own."""
        ...


@dataclass(frozen=True, slots=True)
class Schema:
    """kinds: name -> what its columns are · searched: the names in which a word without a field is looked for."""

    kinds: Mapping[str, type[Column]]
    searched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """n_items rows in item-number order: name -> column. ValueError when one has another length.

    searched: the names in which a word without a field is looked for, text of any kind.
    """

    n_items: int
    by_name: Mapping[str, Column]
    searched: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, column in self.by_name.items():
            if len(column) != self.n_items:
                raise ValueError(f"column {name!r} must have {self.n_items} rows, got {len(column)}")
        for name in self.searched:
            if not isinstance(self.by_name[name], Texts | TextLists | Paths):
                raise ValueError(f"searched column {name!r} must be text, got {self.by_name[name].kind}")

    @property
    def schema(self) -> Schema:
        """What filters on these columns are compiled against."""
        return Schema({name: type(column) for name, column in self.by_name.items()}, self.searched)
