"""External ids and their dense numbers: strings outside, int32 inside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Int32, frozen
from recsys.errors import InputError, SnapshotCorrupt
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

MAX_ID_CHARACTERS = 128
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, eq=False)
class IdMap:
    """A fixed set of ids, numbered from 0 in ascending order of their UTF-8 bytes.

    keys (n,) fixed-width bytes, sorted, unique, never empty. Looking up is a binary search in place: a map of a
    million ids costs a worker no memory of its own when the array is memory-mapped.
    """

    keys: NDArray[np.bytes_]

    @classmethod
    def of(cls, ids: Iterable[str]) -> IdMap:
        """The map of ``ids``, in any order.

        InputError on an id that is empty, longer than 128 characters, not valid Unicode, holds a control character
        or comes twice.
        """
        keys = np.array([_key(id) for id in ids], dtype=np.bytes_)
        keys.sort()
        twice = np.flatnonzero(keys[1:] == keys[:-1])
        if len(twice):
            raise InputError(f"ids must be unique, got {keys[twice[0]].decode('utf-8')!r} more than once")
        return cls(frozen(keys, keys.dtype))

    def __len__(self) -> int:
        return len(self.keys)

    def number(self, id: str) -> int | None:
        """The number of ``id``, None when it is unknown."""
        key = id.encode("utf-8", "surrogatepass")
        # A needle wider than the array's items would make numpy cast, that is copy, the whole array.
        if len(key) > self.keys.itemsize:
            return None
        position = int(self.keys.searchsorted(key))
        # Compared as Python bytes: numpy would take a trailing NUL for padding.
        return position if position < len(self.keys) and self.keys[position] == key else None

    def numbers(self, ids: Sequence[str]) -> Int32:
        """The numbers of ``ids``, (n,) int32; -1 where unknown."""
        width = self.keys.itemsize
        encoded = [id.encode("utf-8", "surrogatepass") for id in ids]
        # Too wide, or with a NUL that numpy would strip: unknown. The empty key stands in, for no id is empty.
        needles = np.array([b"" if len(key) > width or b"\0" in key else key for key in encoded], self.keys.dtype)
        if not len(self.keys):
            return np.full(len(needles), -1, np.int32)
        positions = np.minimum(self.keys.searchsorted(needles), len(self.keys) - 1)
        return np.where(self.keys[positions] == needles, positions, -1).astype(np.int32)

    def id(self, number: int) -> str:
        """The id numbered ``number``. IndexError outside [0, n)."""
        if number < 0:
            raise IndexError(f"id numbers start at 0, got {number}")
        return str(self.keys[number], "utf-8")

    def ids(self, numbers: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """The ids of ``numbers``, in their order. IndexError outside [0, n)."""
        wanted = np.asarray(numbers, dtype=np.int64)
        if len(wanted) and wanted.min() < 0:
            raise IndexError(f"id numbers start at 0, got {wanted.min()}")
        return [key.decode("utf-8") for key in self.keys[wanted].tolist()]

    def write(self, out: SnapshotWriter, name: str) -> None:
        """Store as the array ``name``."""
        out.array(name, self.keys)

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> IdMap:
        """The map that ``write`` stored, memory-mapped. SnapshotCorrupt when the array is no list of ids."""
        keys = src.array(name)
        if keys.ndim != 1 or keys.dtype.kind != "S":
            raise SnapshotCorrupt(f"snapshot {src.version}: array {name} does not hold ids")
        return cls(keys)


def _key(id: str) -> bytes:
    if not id:
        raise InputError("ids must not be empty")
    if len(id) > MAX_ID_CHARACTERS:
        raise InputError(f"ids must have at most {MAX_ID_CHARACTERS} characters, got {len(id)} in {id[:20]!r}…")
    if _CONTROL.search(id):
        raise InputError(f"ids must not hold control characters, got {id!r}")
    try:
        return id.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"ids must be valid Unicode, got {id!r}") from error
