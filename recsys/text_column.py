"""Many strings in two arrays, so that a catalogue's texts are memory-mapped and shared between processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Int64, frozen
from recsys.errors import InputError, SnapshotCorrupt
from recsys.snapshot.files import SnapshotReader, SnapshotWriter


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn:
    """n strings: blob (bytes,) uint8 of UTF-8, offsets (n+1,) int64; string i is blob[offsets[i]:offsets[i+1]]."""

    blob: NDArray[np.uint8]
    offsets: Int64

    @classmethod
    def of(cls, texts: Iterable[str]) -> TextColumn:
        """The column of ``texts``, in their order. InputError on one that is not valid Unicode."""
        try:
            encoded = [text.encode("utf-8") for text in texts]
        except UnicodeEncodeError as error:
            raise InputError(f"texts must be valid Unicode, got {error.object[:40]!r}") from error
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(text) for text in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), frozen(offsets, np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> str:
        """String ``number``. IndexError outside [0, n)."""
        if not 0 <= number < len(self):
            raise IndexError(f"text numbers run from 0 to {len(self) - 1}, got {number}")
        return self.blob[self.offsets[number] : self.offsets[number + 1]].tobytes().decode("utf-8")

    def many(self, numbers: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """The strings ``numbers``, in their order. IndexError outside [0, n)."""
        wanted = np.asarray(numbers, dtype=np.int64)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"text numbers run from 0 to {len(self) - 1}, got {wanted.min()} to {wanted.max()}")
        starts, ends = self.offsets[wanted].tolist(), self.offsets[wanted + 1].tolist()
        return [self.blob[start:end].tobytes().decode("utf-8") for start, end in zip(starts, ends, strict=True)]

    def write(self, out: SnapshotWriter, name: str) -> None:
        """Store as the arrays ``<name>.blob`` and ``<name>.offsets``."""
        out.array(f"{name}.blob", self.blob)
        out.array(f"{name}.offsets", self.offsets)

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> TextColumn:
        """The column that ``write`` stored, memory-mapped. SnapshotCorrupt when the two arrays do not fit."""
        blob, offsets = src.array(f"{name}.blob"), src.array(f"{name}.offsets")
        fits = blob.dtype == np.uint8 and offsets.dtype == np.int64 and blob.ndim == offsets.ndim == 1
        if not fits or not len(offsets) or offsets[0] != 0 or offsets[-1] != len(blob) or np.any(np.diff(offsets) < 0):
            raise SnapshotCorrupt(f"snapshot {src.version}: arrays {name}.blob and {name}.offsets do not fit together")
        return cls(blob, offsets)
