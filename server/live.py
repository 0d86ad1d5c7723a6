"""The only mutable cell for models: which snapshot answers now."""

from __future__ import annotations

from dataclasses import dataclass

from recsys.errors import RecsysError, SnapshotCorrupt
from recsys.model import Snapshot
from recsys.snapshot.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Serving:
    """A loaded snapshot, its manifest, and the monotonic time (seconds) since when it answers."""

    snapshot: Snapshot
    manifest: Manifest
    since_s: float

    @classmethod
    def of(cls, snapshot: Snapshot, *, since_s: float) -> Serving:
        """Of a snapshot that was read from a folder; one that only exists in memory has no manifest to show."""
        if snapshot.manifest is None:
            raise SnapshotCorrupt("the snapshot has no manifest")
        return cls(snapshot, snapshot.manifest, since_s)


class Live:
    """Holds what is being served. Reading and replacing are single assignments, so no lock is needed.

    A request calls ``get`` once and keeps what it got: its answer names one version, and the old snapshot's memory is
    given back when the last request that holds it ends.
    """

    def __init__(self, absence: RecsysError) -> None:
        self._serving: Serving | None = None
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

    def swap(self, serving: Serving) -> None:
        """Serve ``serving`` from the next request on."""
        self._serving = serving

    def explain_absence(self, absence: RecsysError) -> None:
        """Let ``get`` raise ``absence`` while nothing has been loaded."""
        self._absence = absence
