"""Whether a snapshot has any trace of a user: where users are kept, and wherever else their id could stand."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys.errors import SnapshotCorrupt
from recsys.ids import IdMap
from recsys.snapshot.files import SnapshotReader

_USERS, _ITEMS, _GOLDEN = "arrays/users.ids.npy", "arrays/items.ids.npy", "golden.json"
# A shorter id is part of too much that is not the user: it is looked for where users are kept, and nowhere else.
_SHORTEST = 6
_DIGITS = re.compile(r"[\d.,:-]+")
# What an id may end at in text: anything that no id is commonly made of.
_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.@+")


@dataclass(frozen=True, slots=True)
class Looked:
    """What was looked at for one user.

    places: where there is a trace, each in words; () = absent · as_bytes: the id was looked for in all files too; it is
    not when it is short, a number or an item's id as well, for then it would be found everywhere.
    """

    user_id: str
    places: tuple[str, ...]
    as_bytes: bool


class Absence:
    """One snapshot whose checksums hold. SnapshotCorrupt when its tables of users do not fit each other."""

    def __init__(self, reader: SnapshotReader, files: Sequence[str]) -> None:
        self._reader = reader
        self._files = tuple(files)
        self._users = IdMap.read(reader, "users.ids")
        self._items = IdMap.read(reader, "items.ids")
        self._starts = reader.array("histories.starts")
        self._profiles = reader.array("profiles.values")
        self._json = {name: reader.json(name) for name in self._files if name.endswith(".json")}
        rows = {"histories": len(self._starts) - 1, "profiles": len(self._profiles)}
        for name, n_rows in rows.items():
            # A row more than there are ids would be somebody's, and nobody could say whose.
            if n_rows != len(self._users):
                raise SnapshotCorrupt(f"{name} has {n_rows:,} rows for {len(self._users):,} users")

    def scope(self) -> str:
        """What there is to look at, as a sentence for a person."""
        n_bytes = sum(self._reader.path(name).stat().st_size for name in self._files)
        return (
            f"looked at {len(self._files):,} files ({n_bytes / 1e6:,.1f} MB): ids, histories and profiles of "
            f"{len(self._users):,} users, {len(self._json.get(_GOLDEN, ())):,} golden queries, "
            f"{len(self._json):,} JSON files, and all others by their bytes"
        )

    def of(self, user_ids: Sequence[str], advance: Callable[[int], None] = lambda _: None) -> list[Looked]:
        """What there is of each of ``user_ids``, in their order; ``advance`` is told of every file gone through."""
        wide = [self._is_telling(id) for id in user_ids]
        places = [list(self._kept(id)) for id in user_ids]
        for name in self._files:
            if name not in (_USERS, _ITEMS):
                for position in self._found_in(name, [id if w else "" for id, w in zip(user_ids, wide, strict=True)]):
                    if not any(place.startswith(name) for place in places[position]):
                        places[position].append(name)
            advance(1)
        found = zip(user_ids, places, wide, strict=True)
        return [Looked(id, tuple(where), as_bytes) for id, where, as_bytes in found]

    def _is_telling(self, id: str) -> bool:
        """Whether it is the user when these bytes stand somewhere."""
        return len(id.encode()) >= _SHORTEST and not _DIGITS.fullmatch(id) and self._items.number(id) is None

    def _kept(self, id: str) -> Iterator[str]:
        """The places of users."""
        number = self._users.number(id)
        if number is not None:
            yield f"{_USERS} (number {number})"
            n_events = int(self._starts[number + 1] - self._starts[number])
            if n_events:
                yield f"arrays/histories (of {n_events:,} interactions)"
            n_known = int(np.isfinite(self._profiles[number]).sum())
            if n_known:
                yield f"arrays/profiles.values.npy ({n_known} known columns)"
        for name, value in self._json.items():
            n_named = sum(_is_of_users(path) for path in _paths(value, id))
            if n_named:
                yield f"{name} ({n_named} times as a user)"

    def _found_in(self, name: str, ids: Sequence[str]) -> Iterator[int]:
        """Positions of those of ``ids`` ("": not asked for) whose bytes stand in the file ``name``."""
        path = self._reader.path(name)
        if not path.stat().st_size or not any(ids):
            return
        cells = self._cells(name)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for position, id in enumerate(ids):
                needle = id.encode()
                if not id:
                    continue
                found = needle in cells if cells is not None else _stands(data, needle, in_text=_is_text(name))
                if found:
                    yield position

    def _cells(self, name: str) -> frozenset[bytes] | None:
        """The cells of an array of ids, which stand without anything between them; None for other files."""
        if not name.endswith(".npy"):
            return None
        array = self._reader.array(name.removeprefix("arrays/").removesuffix(".npy"))
        return frozenset(array.ravel().tolist()) if array.dtype.kind == "S" else None


def _stands(data: mmap.mmap, needle: bytes, *, in_text: bool) -> bool:
    """Whether ``needle`` is in ``data``: in text not as a part of a longer word."""
    at = data.find(needle)
    while at >= 0:
        end = at + len(needle)
        before, after = data[at - 1] if at else 0, data[end] if end < len(data) else 0
        if not in_text or (before not in _WORD and after not in _WORD):
            return True
        at = data.find(needle, at + 1)
    return False


def _is_text(name: str) -> bool:
    return not name.endswith((".npy", ".faiss")) or name.endswith(".blob.npy")


def _is_of_users(path: tuple[str, ...]) -> bool:
    return any("user" in part for part in path[-2:])


def _paths(value: Any, wanted: str, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys on the way to every text, or key, that is ``wanted``."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key == wanted:
                yield path
            yield from _paths(part, wanted, (*path, key))
    elif isinstance(value, list):
        for part in value:
            yield from _paths(part, wanted, path)
    elif value == wanted:
        yield path
