"""Filters as a snapshot has them: over its catalogue's columns, the last ones asked for kept with what they allow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Bool, Int32
from recsys.catalogue import Catalogue
from recsys.filters.catalogue_columns import (
    ATTRIBUTES,
    attributes_at,
    columns_of,
    read_attributes,
    read_texts,
    write_attributes,
    write_texts,
)
from recsys.filters.columns import Column, Columns
from recsys.filters.predicate import Predicate, compile_filter
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.stores.records import ItemValue

# A bit an item each: 16 MB for a million items, where a shop's pages hardly have as many filters.
MOST_KEPT = 128


class _Kept:
    """A predicate, and the bits it came to once somebody asked."""

    def __init__(self, predicate: Predicate) -> None:
        self.predicate = predicate
        self._bits: NDArray[np.uint8] | None = None
        self._lock = Lock()

    def bits(self, columns: Columns) -> NDArray[np.uint8]:
        # Held while it is worked out: callers with the same filter wait for one evaluation instead of repeating it.
        with self._lock:
            if self._bits is None:
                self._bits = np.packbits(self.predicate.mask(columns))
            return self._bits


class Filters:
    """Filters over ``columns``, for any number of threads. The ``most`` used last are compiled and evaluated once.

    Those that are pinned are never forgotten.
    """

    def __init__(self, columns: Columns, most: int = MOST_KEPT) -> None:
        self.columns = columns
        self.most = most
        self._schema = columns.schema
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._pinned: dict[str, _Kept] = {}
        self._lock = Lock()

    @classmethod
    def of(cls, catalogue: Catalogue, attributes: Mapping[str, Column]) -> Filters:
        """Over a catalogue in memory and further columns by name, of any kind but paths and times; the first search of
        a text works out what ``write`` would store.
        """
        return cls(columns_of(catalogue, attributes))

    @classmethod
    def read(cls, src: SnapshotReader, catalogue: Catalogue) -> Filters:
        """Over a stored catalogue, with what ``write`` stored; snapshots without it work it out when it is needed."""
        return cls(columns_of(catalogue, read_attributes(src), texts=read_texts(src)))

    def write(self, out: SnapshotWriter) -> None:
        """Store what searching needs as ``filters.*`` arrays."""
        write_texts(out, self.columns)
        write_attributes(out, self.columns)

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """The further columns."""
        return tuple(name.removeprefix(ATTRIBUTES) for name in self.columns.by_name if name.startswith(ATTRIBUTES))

    def predicate(self, text: str) -> Predicate:
        """Filter ``text``, compiled. FilterError as ``check``."""
        return self._of(text).predicate

    def attributes(self, items: Int32) -> dict[str, list[ItemValue | None]]:
        """What the further columns hold of ``items`` (N,): N values by name, None where there is none."""
        return attributes_at(self.columns, items)

    def check(self, text: str) -> None:
        """Nothing when filter ``text`` fits the catalogue; FilterError with the position when not."""
        self._of(text)

    def mask(self, text: str) -> Bool:
        """Which items pass filter ``text``; (n_items,) bool, the caller's own. FilterError as ``check``."""
        bits = self._of(text).bits(self.columns)
        return np.unpackbits(bits, count=self.columns.n_items).view(np.bool_)

    def pin(self, text: str) -> None:
        """Compile filter ``text`` for good, before anybody asks with it. FilterError as ``check``."""
        self._pinned[text] = _Kept(compile_filter(text, self._schema))

    def bits(self, text: str) -> NDArray[np.uint8]:
        """Which items pass filter ``text``, an item a bit as ``np.packbits`` has them; not to be written to."""
        return self._of(text).bits(self.columns)

    def _of(self, text: str) -> _Kept:
        if (pinned := self._pinned.get(text)) is not None:
            return pinned
        with self._lock:
            known = self._kept.get(text)
            if known is not None:
                self._kept.move_to_end(text)
                return known
        compiled = _Kept(compile_filter(text, self._schema))
        with self._lock:
            # Another thread may have been faster: there must be one place for the mask.
            kept = self._kept.setdefault(text, compiled)
            if len(self._kept) > self.most:
                self._kept.popitem(last=False)
        return kept


def bits_at(bits: NDArray[np.uint8], items: Int32) -> Bool:
    """(N,) whether each of ``items`` (N,) has its bit set, without unpacking those of a million others."""
    numbers = items.astype(np.int64)
    found: Bool = (bits[numbers >> 3] >> (7 - (numbers & 7)).astype(np.uint8)) & 1 == 1
    return found
