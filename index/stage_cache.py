"""Results of long stages on disk: each entry is whole or absent, checked before it is used, the least used go first."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from recsys.errors import InputError, SnapshotCorrupt
from recsys.snapshot.canonical import canonical, parsed
from recsys.snapshot.checksums import Fingerprint, differences, fingerprints
from recsys.snapshot.durable import exclusive
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

Content = TypeVar("Content")
VARIABLE = "RECSYS_STAGES_GB"
DEFAULT_GB = 10.0
_CHECKSUMS = "checksums.json"
# A folder that is being written or deleted. Who writes it holds a lock on it, which ends with the process.
_PART = ".part-"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, SnapshotCorrupt)


@dataclass(frozen=True, slots=True)
class StageCache:
    """Entries below ``folder``, a folder each, named by key; together at most ``most_bytes``, 0 = nothing is kept.

    fresh: nothing is read, what is worked out takes the place of what was there · say: told, in a line, what could not
    be read or kept; neither stops a rebuild. Any number of processes may share the folder.
    """

    folder: Path
    most_bytes: int
    fresh: bool = False
    say: Callable[[str], None] = lambda line: None

    def has(self, key: str) -> bool:
        """Whether ``read`` has something to read."""
        return not self.fresh and self.most_bytes > 0 and _exists(self.folder / key)

    def read(self, key: str, load: Callable[[SnapshotReader], Content]) -> Content | None:
        """What ``load`` makes of the entry, its arrays memory-mapped; None without one, or when it is damaged."""
        if not self.has(key):
            return None
        entry = self.folder / key
        try:
            if problems := self._problems(entry):
                raise SnapshotCorrupt(problems[0])
            content = load(SnapshotReader(entry))
        except _UNREADABLE as error:
            if _exists(entry):  # else another rebuild needed the room in this very moment
                self.say(f"what was kept as {key[:12]} is damaged and is worked out again: {error}")
            return None
        with suppress(OSError):
            os.utime(entry)  # used now: the last to be deleted
        return content

    def write(self, key: str, save: Callable[[SnapshotWriter], None]) -> None:
        """Keep what ``save`` writes, then delete the entries least recently used until there is room."""
        if not self.most_bytes:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._part() as part:
                save(SnapshotWriter(part))
                found = fingerprints(part)
                (part / _CHECKSUMS).write_bytes(
                    canonical({name: {"sha256": file.sha256, "bytes": file.n_bytes} for name, file in found.items()})
                )
                if _size(part) > self.most_bytes:
                    self.say(f"not kept for the next rebuild: {_size(part):,} bytes are more than {VARIABLE} allows")
                    return
                with self._locked():
                    self._delete(self.folder / key)
                    os.rename(part, self.folder / key)
                    self._make_room()
        except (OSError, InputError) as error:
            self.say(f"nothing is kept for the next rebuild: {error}")

    def _problems(self, entry: Path) -> list[str]:
        files: Mapping[str, Mapping[str, object]] = parsed((entry / _CHECKSUMS).read_bytes())
        expected = {name: Fingerprint(str(file["sha256"]), int(str(file["bytes"]))) for name, file in files.items()}
        return differences(entry, expected, outside=(_CHECKSUMS,))

    @contextmanager
    def _part(self) -> Iterator[Path]:
        """A folder to write an entry in; what killed processes left behind is deleted first."""
        with self._locked():
            for left in self.folder.glob(f"{_PART}*"):
                if _abandoned(left):
                    shutil.rmtree(left, ignore_errors=True)
            part = Path(tempfile.mkdtemp(prefix=_PART, dir=self.folder))
            handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield part
        finally:
            os.close(handle)
            shutil.rmtree(part, ignore_errors=True)

    def _make_room(self) -> None:
        entries = [path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
        sizes = {path: _size(path) for path in sorted(entries, key=lambda path: path.stat().st_mtime_ns)}
        total = sum(sizes.values())
        for path, n_bytes in sizes.items():
            if total <= self.most_bytes:
                return
            self._delete(path)
            total -= n_bytes

    def _delete(self, entry: Path) -> None:
        """Out of sight in one step: whoever is killed in the middle leaves no half entry."""
        if _exists(entry):
            gone = Path(tempfile.mkdtemp(prefix=_PART, dir=self.folder))
            os.rename(entry, gone / entry.name)
            shutil.rmtree(gone, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among all processes, for moments: names change and room is made, nothing large is written."""
        with exclusive(self.folder / ".lock"):
            yield


def bytes_allowed(environment: Mapping[str, str]) -> int:
    """RECSYS_STAGES_GB in bytes, 10 GB when it is not set. InputError when it is no number of at least 0."""
    text = environment.get(VARIABLE, str(DEFAULT_GB))
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not 0 <= gigabytes < 1e6:
        raise InputError(f"{VARIABLE} must be a number of gigabytes, 0 or more, got {text!r}")
    return int(gigabytes * 1e9)


def _abandoned(folder: Path) -> bool:
    """Whether nobody holds the lock of ``folder`` any more. Nobody can take it meanwhile: that needs ``_locked``."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False  # its writer has just finished
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _exists(path: Path) -> bool:
    """As Path.exists, and False where even looking is impossible: below a file, say."""
    return os.path.lexists(path)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
