"""The only mutable cell for models: which snapshot answers now, and those that lists begun before may go on with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from recsys.errors import RecsysError, SnapshotCorrupt
from recsys.model import Snapshot
from recsys.snapshot.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Serving:
    """A loaded snapshot, its manifest, and the monotonic time (seconds) since when it answers.

    is_current: False where what changed of the catalogue lately could not be asked for.
    """

    snapshot: Snapshot
    manifest: Manifest
    since_s: float
    is_current: bool = True

    @classmethod
    def of(cls, snapshot: Snapshot, *, since_s: float) -> Serving:
        """Of a snapshot that was read from a folder; one that only exists in memory has no manifest to show."""
        if snapshot.manifest is None:
            raise SnapshotCorrupt("the snapshot has no manifest")
        return cls(snapshot, snapshot.manifest, since_s)


class Servings(Protocol):
    """Where answers take what they answer from."""

    def get(self) -> Serving:
        """What is being served; raises the reason why nothing is."""

    def before(self, version: str) -> Serving | None:
        """What was being served as ``version`` until lately."""


# A list can be continued for this long after its snapshot was replaced.
KEPT_S = 30 * 60.0
# Each costs its memory: of many that came quickly after each other only the last are kept.
MOST_KEPT = 2


@dataclass(frozen=True, slots=True)
class _Replaced:
    """A snapshot that was served until ``until_s`` (monotonic seconds)."""

    serving: Serving
    until_s: float


class Live:
    """Holds what is being served. Reading and replacing are single assignments, so no lock is needed.

    A request takes what it answers from once and keeps it: its answer names one version. An old snapshot's memory is
    given back when it is forgotten and the last request that holds it ends. One thread alone replaces and forgets.
    """

    def __init__(self, absence: RecsysError) -> None:
        self._serving: Serving | None = None
        self._replaced: tuple[_Replaced, ...] = ()
        self._absence = absence

    def get(self) -> Serving:
        """What is being served; raises the reason why nothing is (NoSnapshot unless another was given)."""
        serving = self._serving
        if serving is None:
            # A fresh exception each time: a shared one would collect the tracebacks of every call that saw it.
            raise type(self._absence)(*self._absence.args)
        return serving

    def version(self) -> str | None:
        """The version being served, None while nothing is."""
        serving = self._serving
        return None if serving is None else serving.snapshot.version

    def before(self, version: str) -> Serving | None:
        """What was being served as ``version`` until lately; None when it was not, or is forgotten."""
        return next((old.serving for old in self._replaced if old.serving.snapshot.version == version), None)

    def holds(self, snapshot: Snapshot) -> bool:
        """Whether any answer may still be given from ``snapshot``."""
        held = [self._serving, *(old.serving for old in self._replaced)]
        return any(serving is not None and serving.snapshot is snapshot for serving in held)

    def swap(self, serving: Serving) -> None:
        """Serve ``serving`` from the next request on."""
        now, version = self._serving, serving.snapshot.version
        kept = self._replaced
        if now is not None and now.snapshot.version != version:
            kept = (_Replaced(now, serving.since_s), *kept)
        # What was served is kept before it is replaced: a request finds it in one place or the other.
        self._replaced = kept
        self._serving = serving
        self._replaced = tuple(old for old in kept if old.serving.snapshot.version != version)[:MOST_KEPT]

    def forget(self, now_s: float) -> None:
        """Let go of what was replaced ``KEPT_S`` or longer before ``now_s`` (monotonic seconds)."""
        self._replaced = tuple(old for old in self._replaced if now_s < old.until_s + KEPT_S)

    def explain_absence(self, absence: RecsysError) -> None:
        """Let ``get`` raise ``absence`` while nothing has been loaded."""
        self._absence = absence
