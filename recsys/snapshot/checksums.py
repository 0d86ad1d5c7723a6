"""Fingerprints of a folder's files, and what differs from a list of them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

# Each part starts with a letter, digit or underscore: no absolute path, no "..", no hidden file can be spelled.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What one file must be: its sha256 in lower-case hex and its length in bytes."""

    sha256: str
    n_bytes: int


def is_relative_name(name: object) -> bool:
    """Whether ``name`` can only mean a file inside the folder it is joined to."""
    return isinstance(name, str) and len(name) <= 255 and _NAME.fullmatch(name) is not None


def fingerprints(folder: Path, *, outside: Iterable[str] = ()) -> dict[str, Fingerprint]:
    """The fingerprint of every file under ``folder`` except those named ``outside``, by relative name.

    ValueError when the folder holds anything that a snapshot may not: a link, a device, a file with an odd name.
    """
    names = sorted(set(_scan(folder)) - set(outside))
    odd = [name for name in names if not is_relative_name(name) or not _is_plain(folder / name)]
    if odd:
        raise ValueError(f"a snapshot holds plain files with plain names only, not {odd[0]!r}")
    with ThreadPoolExecutor(_THREADS) as threads:
        return dict(zip(names, threads.map(lambda name: _fingerprint(folder / name), names), strict=True))


def differences(folder: Path, files: Mapping[str, Fingerprint], *, outside: Iterable[str] = ()) -> list[str]:
    """One sentence for each file under ``folder`` that is not as ``files`` lists it, in order of name; [] when all are.

    The files named ``outside`` need not be listed, but must be plain files like all others.
    """
    present = set(_scan(folder))
    found = {name: f"{name!r} is not listed in the manifest" for name in present - set(files) - set(outside)}
    found |= {name: f"{name!r} is not a plain file" for name in present if not _is_plain(folder / name)}
    found |= {name: f"{name} is missing" for name in set(files) - present}
    # The largest first: otherwise one thread may start on it when the other has nothing left to do.
    rest = sorted(set(files) - set(found), key=lambda name: (-files[name].n_bytes, name))
    with ThreadPoolExecutor(_THREADS) as threads:
        verdicts = threads.map(lambda name: _difference(folder / name, files[name]), rest)
        found |= {name: f"{name} {verdict}" for name, verdict in zip(rest, verdicts, strict=True) if verdict}
    return [found[name] for name in sorted(found)]


def _difference(path: Path, expected: Fingerprint) -> str:
    try:
        size = path.lstat().st_size
        if size != expected.n_bytes:
            return f"has {size} bytes instead of {expected.n_bytes}"
        return "" if _fingerprint(path) == expected else "was altered: its sha256 is not the manifest's"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _fingerprint(path: Path) -> Fingerprint:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0) as file:
        n_bytes = os.fstat(file.fileno()).st_size
        return Fingerprint(hashlib.file_digest(file, "sha256").hexdigest(), n_bytes)


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _scan(folder: Path, prefix: str = "") -> list[str]:
    """Relative names of everything under ``folder`` that is not a real folder; links are named, never followed."""
    names: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                names += _scan(folder / entry.name, f"{prefix}{entry.name}/")
            else:
                names.append(prefix + entry.name)
    return names
