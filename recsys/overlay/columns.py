"""Ids and texts of items that came or changed, before those that the snapshot holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Int32
from recsys.ids import IdMap
from recsys.text_column import TextColumn


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GrownIds(IdMap):
    """The ids of a snapshot, and ``added`` numbered on from there, in their order; ``places``: their numbers."""

    added: tuple[str, ...]
    places: Mapping[str, int]

    @classmethod
    def over(cls, ids: IdMap, added: Sequence[str]) -> GrownIds:
        """``ids`` with ``added``, none of which is among them."""
        places = {id: len(ids) + place for place, id in enumerate(added)}
        return cls(ids.keys, added=tuple(added), places=places)

    def __len__(self) -> int:
        return len(self.keys) + len(self.added)

    def number(self, id: str) -> int | None:
        """As ``IdMap``."""
        return IdMap.number(self, id) if (place := self.places.get(id)) is None else place

    def numbers(self, ids: Sequence[str]) -> Int32:
        """As ``IdMap``."""
        found = IdMap.numbers(self, ids)
        for position in np.flatnonzero(found < 0).tolist():
            found[position] = self.places.get(ids[position], -1)
        return found

    def id(self, number: int) -> str:
        """As ``IdMap``."""
        late = number - len(self.keys)
        return self.added[late] if late >= 0 else IdMap.id(self, number)

    def ids(self, numbers: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """As ``IdMap``."""
        wanted = np.asarray(numbers, dtype=np.int64)
        late = wanted >= len(self.keys)
        if not late.any():
            return IdMap.ids(self, wanted)
        known = iter(IdMap.ids(self, wanted[~late]))
        places = (wanted - len(self.keys)).tolist()
        return [self.added[place] if place >= 0 else next(known) for place in places]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ChangedTexts(TextColumn):
    """The texts of a snapshot, with others by number; numbers from its own length on have no other text."""

    changed: Mapping[int, str]
    n: int

    @classmethod
    def over(cls, column: TextColumn, changed: Mapping[int, str], n: int) -> ChangedTexts:
        """``column`` with ``changed`` in it, ``n`` texts altogether: all from its end on are among ``changed``."""
        return cls(column.blob, column.offsets, changed=changed, n=n)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, number: int) -> str:
        """As ``TextColumn``."""
        text = self.changed.get(int(number))
        return self._known[number] if text is None else text

    def many(self, numbers: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """As ``TextColumn``."""
        wanted = np.asarray(numbers, dtype=np.int64).tolist()
        known = self._known
        found = iter(known.many([number for number in wanted if number not in self.changed]))
        return [self.changed[number] if number in self.changed else next(found) for number in wanted]

    @property
    def _known(self) -> TextColumn:
        return TextColumn(self.blob, self.offsets)
