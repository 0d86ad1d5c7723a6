"""The files of one snapshot: written once into a staging folder, read memory-mapped. No pickle on either side."""

from __future__ import annotations

import os
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from recsys.errors import SnapshotCorrupt
from recsys.snapshot.canonical import canonical, parsed
from recsys.snapshot.checksums import is_relative_name

# What numpy's header parser lets through on garbled bytes, beside ValueError: it hands text to Python's own tokenizer.
_GARBLED = (OSError, ValueError, SyntaxError, TypeError, EOFError, MemoryError, OverflowError, tokenize.TokenError)


class SnapshotWriter:
    """Writes files below ``folder``, each name once. ValueError on a name that could leave the folder or is taken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def array(self, name: str, values: NDArray[Any]) -> None:
        """Store ``values`` as ``arrays/<name>.npy``. ValueError on Python objects, which only pickle could store."""
        if values.dtype.hasobject:
            raise ValueError(f"array {name} holds Python objects")
        with open(self.path(_array_file(name)), "xb") as file:
            np.save(file, values, allow_pickle=False)

    def text(self, name: str, text: str) -> None:
        """Store ``text`` as UTF-8 under ``name``, line ends untouched."""
        self._bytes(name, text.encode("utf-8"))

    def json(self, name: str, value: Any) -> None:
        """Store ``value`` as canonical JSON under ``name``. ValueError on NaN and infinity."""
        self._bytes(name, canonical(value))

    def path(self, name: str) -> Path:
        """The path to write ``name`` to, for native writers such as Faiss; its folder exists, the file does not yet."""
        path = _inside(self._folder, name)
        if os.path.lexists(path):
            raise ValueError(f"{name} is written already")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _bytes(self, name: str, raw: bytes) -> None:
        with open(self.path(name), "xb") as file:
            file.write(raw)


class SnapshotReader:
    """Reads files below ``folder``; SnapshotCorrupt, naming the file, on any that is missing or garbled.

    Get one from ``SnapshotStore.open``, which verifies every file first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """The snapshot's folder."""
        return self._folder

    @property
    def version(self) -> str:
        """The snapshot's version, which is its folder's name."""
        return self._folder.name

    def has(self, name: str) -> bool:
        """Whether the snapshot holds an array ``name`` (``als.factors``) or a file ``name`` (``rankers/home.txt``)."""
        return any(_is_plain(_inside(self._folder, file)) for file in (_array_file(name), name))

    def array(self, name: str) -> NDArray[Any]:
        """The array ``name``, read-only and memory-mapped: processes that read it share one copy."""
        path = self.path(_array_file(name))
        try:
            # A plain view: indexing numpy's memmap subclass costs a Python call every time.
            array: NDArray[Any] = open_memmap(path, mode="r").view(np.ndarray)  # type: ignore[no-untyped-call]
        except _GARBLED as error:
            raise self._corrupt(_array_file(name), "cannot be read as an array") from error
        return array

    def text(self, name: str) -> str:
        """The UTF-8 text of file ``name``."""
        try:
            return self._read(name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._corrupt(name, "is not UTF-8 text") from error

    def json(self, name: str) -> Any:
        """The value in the JSON file ``name``."""
        try:
            return parsed(self._read(name))
        except ValueError as error:
            raise self._corrupt(name, "is not JSON") from error

    def path(self, name: str) -> Path:
        """The path of the existing file ``name``, for native loaders such as Faiss."""
        path = _inside(self._folder, name)
        if not _is_plain(path):
            raise self._corrupt(name, "is missing")
        return path

    def _read(self, name: str) -> bytes:
        path = self.path(name)
        try:
            return path.read_bytes()
        except OSError as error:
            raise self._corrupt(name, f"cannot be read: {error.strerror}") from error

    def _corrupt(self, name: str, what: str) -> SnapshotCorrupt:
        return SnapshotCorrupt(f"snapshot {self.version}: {name} {what}")


def _array_file(name: str) -> str:
    return f"arrays/{name}.npy"


def _inside(folder: Path, name: str) -> Path:
    if not is_relative_name(name):
        raise ValueError(f"{name!r} is not the name of a snapshot file: letters, digits, '.', '_', '-' and '/' only")
    return folder / name


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
