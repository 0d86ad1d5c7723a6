"""Compiled forests on this machine's disk. What is read here is run, so it must be ours alone and whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recsys.compiled.forest import CompiledForest
from recsys.compiled.machine_code import MachineCode
from recsys.errors import CodeRefused
from recsys.snapshot.durable import exclusive, writing

# Part of every key: code written for another way of loading it is not found, rather than misread.
FORMAT = 1
KEPT = 8
_NAME = re.compile(r"[0-9a-f]{64}\.forest")
_WORK = ".work-"


@dataclass(frozen=True, slots=True)
class ForestCache:
    """Compiled forests in ``folder`` by the sha256 of their text, made by ``toolchain`` (see ``toolchain``).

    A file is the sha256 of the rest on a line, what it holds as JSON on a line, and the code. Nothing is run that is
    not owned by this process's user, could have been written by another, or is not what was put there.
    """

    folder: Path
    toolchain: str

    def key(self, forest: str) -> str:
        """The name under which the forest whose text has the sha256 ``forest`` is kept."""
        return hashlib.sha256(f"{FORMAT}\n{forest}\n{self.toolchain}".encode()).hexdigest()

    def stamp(self, forest: str) -> tuple[int, int] | None:
        """What changes when the forest's file is replaced; None while there is none. Cheap: nothing is opened."""
        try:
            status = os.lstat(self._path(forest))
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def load(self, forest: str, n_features: int) -> CompiledForest:
        """The compiled forest. CodeRefused on a file or folder that is not ours alone, or a file that is not whole."""
        path = self._path(forest)
        try:
            digest, _, rest = self._read(path.name).partition(b"\n")
            if hashlib.sha256(rest).hexdigest().encode() != digest:
                raise CodeRefused(f"{path} was altered: its sha256 is not the one it begins with")
            facts, _, code = rest.partition(b"\n")
            values = json.loads(facts)
            if (values["key"], values["n_features"]) != (self.key(forest), n_features):
                raise CodeRefused(f"{path} holds another forest")
            return CompiledForest.of(MachineCode(code, values["entry"]), n_features)
        except OSError as error:
            raise CodeRefused(f"{path} cannot be loaded: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise CodeRefused(f"{path} is not a compiled forest") from error

    def has(self, forest: str, n_features: int) -> bool:
        """Whether ``load`` would succeed; the forest then counts as the one used last."""
        try:
            self.load(forest, n_features)
            os.utime(self._path(forest))
        except (CodeRefused, OSError):
            return False
        return True

    @contextmanager
    def locked(self) -> Iterator[Path]:
        """Hold the cache and give a private folder to work in, gone afterwards; waits while another process holds it.

        CodeRefused when the cache's folder is not ours alone, InputError when it cannot be written.
        """
        with writing(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(self._opened_folder())
        with exclusive(self.folder / ".lock"):
            with writing(self.folder):
                # The lock is ours, so whoever worked in these is dead.
                for left in self.folder.glob(f"{_WORK}*"):
                    shutil.rmtree(left)
                work = tempfile.mkdtemp(prefix=_WORK, dir=self.folder)
            try:
                yield Path(work)
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def put(self, forest: str, code: MachineCode, n_features: int, work: Path) -> None:
        """Keep ``code``; whoever reads sees all of it or none. ``work``: what ``locked`` gave."""
        facts = {"key": self.key(forest), "n_features": n_features, "entry": code.entry}
        rest = json.dumps(facts).encode() + b"\n" + code.code
        temporary = work / "code"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
        # Not synced: a power cut may leave half a file, which its sha256 gives away and the next compilation replaces.
        os.replace(temporary, self._path(forest))

    def prune(self, keep: int = KEPT) -> None:
        """Delete all but the ``keep`` forests used last. Under ``locked`` only; running code is not touched."""
        with os.scandir(self.folder) as entries:
            aged = sorted((entry.stat().st_mtime_ns, entry.path) for entry in entries if _NAME.fullmatch(entry.name))
        for _, path in aged[: max(0, len(aged) - keep)]:
            os.unlink(path)

    def _path(self, forest: str) -> Path:
        return self.folder / f"{self.key(forest)}.forest"

    def _read(self, name: str) -> bytes:
        folder = self._opened_folder()
        try:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        finally:
            os.close(folder)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise CodeRefused(f"{self.folder / name} is not a plain file")
            _require_ours(handle, self.folder / name)
            with open(handle, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(handle)

    def _opened_folder(self) -> int:
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _require_ours(handle, self.folder)
        except CodeRefused:
            os.close(handle)
            raise
        return handle


def _require_ours(handle: int, path: Path) -> None:
    """Raise CodeRefused unless only this process's user may write what ``handle`` is open on."""
    status = os.fstat(handle)
    if status.st_uid != os.geteuid():
        raise CodeRefused(f"{path} belongs to another user: what is in it would be run")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CodeRefused(f"{path} can be written by others (mode {stat.S_IMODE(status.st_mode):04o}): it would be run")
