"""The store: versions side by side under one folder, and the one that is current.

    <root>/CURRENT        the version to serve, and a newline; replaced in one step, never written in place
    <root>/HISTORY        versions that were current before, one a line, the latest last
    <root>/<version>/     a complete snapshot: it got this name by one rename, when every file was on disk
    <root>/.staging-*     a rebuild in progress, or what a killed one left
    <root>/.trash-*       a version being deleted, or what a killed deletion left

A process killed at any instant leaves CURRENT old or new, and every listed version whole.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys.errors import (
    CurrentMoved,
    InputError,
    NoSnapshot,
    NotFound,
    SnapshotCorrupt,
    SnapshotError,
    StoreBusy,
)
from recsys.snapshot.durable import exclusive, replace_file, sync_folder, sync_tree, writing
from recsys.snapshot.files import SnapshotReader
from recsys.snapshot.manifest import MANIFEST, SIGNATURE, Manifest, file_problems, read_unlisted, verify_files
from recsys.snapshot.rules import is_version
from recsys.snapshot.signature import SigningKey, VerifyKey, sign, verify

_STAGING = ".staging-"
_TRASH = ".trash-"
_HISTORY_LENGTH = 100


class SnapshotStore:
    """The snapshots under ``root``. With ``verify_key`` none is handed out or published that this key did not sign."""

    def __init__(self, root: Path, *, verify_key: VerifyKey | None = None) -> None:
        self._root = root
        self._verify_key = verify_key

    def versions(self) -> list[str]:
        """The complete versions, oldest first; [] when there is no folder yet."""
        try:
            with os.scandir(self._root) as entries:
                return sorted(e.name for e in entries if is_version(e.name) and e.is_dir(follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise InputError(f"{self._root} cannot be read: {error.strerror}") from error

    def current(self) -> str:
        """The published version. NoSnapshot before the first; SnapshotCorrupt when CURRENT names none that exists."""
        try:
            text = (self._root / "CURRENT").read_text(encoding="ascii", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            raise NoSnapshot(f"no snapshot has been published under {self._root} yet") from None
        except OSError as error:
            raise SnapshotCorrupt(f"{self._root / 'CURRENT'} cannot be read: {error.strerror}") from error
        version = text.removesuffix("\n")
        if not self._exists(version):
            raise SnapshotCorrupt(f"{self._root / 'CURRENT'} does not name a snapshot, got {version[:40]!r}")
        return version

    def open(self, version: str) -> SnapshotReader:
        """The verified files of ``version``.

        The manifest's signature is checked before the manifest is believed, and every file before any is handed out.
        NotFound for an unknown version; SnapshotCorrupt, SchemaMismatch.
        """
        manifest = self.manifest(version)
        with _naming(version):
            verify_files(self._root / version, manifest)
        return SnapshotReader(self._root / version)

    def manifest(self, version: str) -> Manifest:
        """The manifest of ``version``, its signature checked when there is a key; errors as in ``open``."""
        folder = self._folder(version)
        with _naming(version):
            raw = read_unlisted(folder, MANIFEST)
            if self._verify_key is not None:
                verify(raw, self.signature(version), self._verify_key)
            manifest = Manifest.from_bytes(raw)
            if manifest.version != version:
                raise SnapshotCorrupt(f"{MANIFEST} is that of {manifest.version}")
        return manifest

    def signature(self, version: str) -> bytes | None:
        """The contents of manifest.sig of ``version``, None when it is not signed. NotFound for an unknown version."""
        folder = self._folder(version)
        return read_unlisted(folder, SIGNATURE) if os.path.lexists(folder / SIGNATURE) else None

    def problems(self, version: str) -> list[str]:
        """One sentence for each file of ``version`` that its manifest does not vouch for; errors as ``manifest``."""
        return file_problems(self._root / version, self.manifest(version))

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A new folder to build a snapshot in; gone after the block unless it was committed.

        One rebuild at a time: InputError when another holds the folder. What dead ones left is removed first.
        """
        with writing(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
        busy = InputError(
            f"another rebuild is writing to {self._root}: wait until it ends or stop it, then start again"
        )
        with exclusive(self._root / ".rebuild.lock", busy=busy):
            folder = self._root / f"{_STAGING}{secrets.token_hex(4)}"
            with writing(self._root):
                # The lock is ours, so whoever staged these is dead.
                self._remove(_STAGING)
                with exclusive(self._root / ".publish.lock"):
                    self._remove(_TRASH)
                folder.mkdir()
            try:
                yield folder
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise InputError(f"no space is left for a snapshot under {self._root}") from error
                raise
            finally:
                # What cannot be removed now must not hide why the block failed; the next rebuild removes it.
                shutil.rmtree(folder, ignore_errors=True)

    def commit(self, staging: Path, manifest: Manifest, signing_key: SigningKey | None = None) -> str:
        """Make the staged snapshot durable and list it; the version. It is not current until it is published.

        staging: what ``staging`` gave, sealed with ``manifest``. InputError when the version exists already.
        """
        if staging.parent != self._root or not staging.name.startswith(_STAGING):
            raise ValueError(f"{staging} was not staged under {self._root}")
        raw = read_unlisted(staging, MANIFEST)
        if raw != manifest.to_bytes():
            raise ValueError(f"{staging} was not sealed with the manifest of {manifest.version}")
        if self._exists(manifest.version):
            raise InputError(f"snapshot {manifest.version} exists already: publish it, or rebuild with other data")
        with writing(self._root):
            if signing_key is not None:
                (staging / SIGNATURE).write_bytes(sign(raw, signing_key))
            sync_tree(staging)
            os.rename(staging, self._root / manifest.version)
            sync_folder(self._root)
        return manifest.version

    def publish(
        self,
        version: str,
        *,
        wait: bool = True,
        if_current: str = "",
        trial: Callable[[SnapshotReader], None] = lambda _: None,
    ) -> str:
        """Verify ``version`` as ``open`` does and make it current; the version that was, "" for none.

        wait: False raises StoreBusy when another publishes, rolls back or prunes · if_current: unless "", CurrentMoved
        when another version is current · trial: called with the verified files before CURRENT moves, while nobody else
        can move it. On any error, one that ``trial`` raises included, CURRENT stays as it was.
        """
        self._folder(version)
        busy = None if wait else StoreBusy(f"{self._root} is being published to, rolled back or pruned")
        with exclusive(self._root / ".publish.lock", busy=busy):
            try:
                former = self.current()
            except (NoSnapshot, SnapshotCorrupt):
                former = ""
            if if_current and if_current != former:
                raise CurrentMoved(if_current, former)
            trial(self.open(version))
            if version == former:
                return former
            with writing(self._root):
                # Killed after this and before CURRENT, the history ends with the version still current: no step back.
                if former:
                    self._write_history([*self._history(former), former])
                replace_file(self._root / "CURRENT", f"{version}\n".encode("ascii"))
        return former

    def roll_back(self) -> str:
        """Make the version current that was before, and forget the one rolled back from; the version.

        Twice goes two steps back. NoSnapshot, InputError when no earlier version is left; errors as in ``open``.
        """
        # Asked before the lock, which needs a folder to lie in, and again under it, when nobody can change it.
        self.current()
        with writing(self._root), exclusive(self._root / ".publish.lock"):
            current = self.current()
            history = self._history(current)
            if not history:
                raise InputError(f"no version was current before {current}: publish another by its name")
            target = history.pop()
            self.open(target)
            # After this, killed before the history is written, it ends with the current version: again no step back.
            replace_file(self._root / "CURRENT", f"{target}\n".encode("ascii"))
            self._write_history(history)
        return target

    def prune(self, keep: int) -> list[str]:
        """Delete all but the newest ``keep`` versions, never the current one; those deleted, oldest first.

        Versions without a readable manifest do not count as kept, or damaged ones could outlive what can be served.
        Newer ones are left: they may be of a later release.
        """
        if keep < 1:
            raise InputError(f"keep must be at least 1, got {keep}")
        if not self._root.is_dir():
            return []
        with writing(self._root), exclusive(self._root / ".publish.lock"):
            self._remove(_TRASH)
            try:
                current = self.current()
            except NoSnapshot:
                current = ""
            versions = self.versions()
            readable = [version for version in versions if self._is_readable(version)]
            oldest_kept = readable[-keep:][0] if readable else ""
            doomed = [version for version in versions if version < oldest_kept and version != current]
            for version in doomed:
                os.rename(self._root / version, self._root / f"{_TRASH}{version}-{secrets.token_hex(4)}")
            # Before the first file goes: after a power cut no version may come back with part of its files.
            sync_folder(self._root)
            self._remove(_TRASH)
        return doomed

    def _is_readable(self, version: str) -> bool:
        try:
            self.manifest(version)
        except SnapshotError:
            return False
        return True

    def _exists(self, version: str) -> bool:
        folder = self._root / version
        return is_version(version) and folder.is_dir() and not folder.is_symlink()

    def _folder(self, version: str) -> Path:
        if not self._exists(version):
            raise NotFound("snapshot", version)
        return self._root / version

    def _history(self, current: str) -> list[str]:
        """Versions to step back to, the next one last: without what was pruned and what a kill left at the end."""
        try:
            lines = (self._root / "HISTORY").read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        history = [version for version in lines if self._exists(version)]
        while history and history[-1] == current:
            history.pop()
        return history

    def _write_history(self, history: list[str]) -> None:
        text = "".join(f"{version}\n" for version in history[-_HISTORY_LENGTH:])
        replace_file(self._root / "HISTORY", text.encode("ascii"))

    def _remove(self, prefix: str) -> None:
        for path in sorted(self._root.glob(f"{prefix}*")):
            shutil.rmtree(path)


@contextmanager
def _naming(version: str) -> Iterator[None]:
    """Begin what is said about a snapshot's files with its version."""
    try:
        yield
    except SnapshotError as error:
        raise type(error)(f"snapshot {version}: {error}") from error
