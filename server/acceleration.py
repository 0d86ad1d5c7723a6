"""Puts compiled rankers in the place of LightGBM once the cache has them and they have proved equal."""

from __future__ import annotations

import logging
from dataclasses import replace
from time import perf_counter

import numpy as np

from recsys.compiled.cache import ForestCache
from recsys.compiled.forest import CompiledForest, require_equal
from recsys.errors import CodeRefused, RecsysError
from recsys.model import Snapshot, ranker_file
from recsys.ranker import Forest
from server.live import Live, Serving

LOG = logging.getLogger(__name__)


class Acceleration:
    """Looks into ``cache`` for the rankers of what ``live`` serves. Called by the thread that swaps, and by no other.

    A refused file is logged once and not touched again until another lies in its place.
    """

    def __init__(self, live: Live, cache: ForestCache) -> None:
        self._live = live
        self._cache = cache
        self._refused: dict[str, tuple[int, int]] = {}

    def look(self) -> None:
        """One look, a few calls of stat at most while there is nothing new; then load, prove equal, swap."""
        if self._live.version() is None:
            return
        serving = self._live.get()
        started = perf_counter()
        ready: dict[str, CompiledForest] = {}
        for name, forest in serving.snapshot.pipeline.rankers.items():
            if isinstance(forest, Forest) and (compiled := self._compiled(serving, name, forest)):
                ready[name] = compiled
        if not ready:
            return
        faster = serving.snapshot.ranked_by(ready)
        try:
            _require_same_answers(serving.snapshot, faster)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with compiled rankers, LightGBM goes on
            for name in ready:
                self._refuse(serving, name, error)
            return
        self._live.swap(replace(serving, snapshot=faster))
        seconds = round(perf_counter() - started, 3)
        fields = {"snapshot": faster.version, "rankers": sorted(ready), "seconds": seconds}
        LOG.info("compiled rankers in use", extra={"fields": fields})

    def _compiled(self, serving: Serving, name: str, forest: Forest) -> CompiledForest | None:
        digest = serving.manifest.files[ranker_file(name)].sha256
        stamp = self._cache.stamp(digest)
        if stamp is None or stamp == self._refused.get(digest):
            return None
        try:
            compiled = self._cache.load(digest, len(serving.manifest.features))
            require_equal(compiled, forest)
        except Exception as error:  # noqa: BLE001 - as above
            self._refuse(serving, name, error)
            return None
        return compiled

    def _refuse(self, serving: Serving, name: str, error: Exception) -> None:
        digest = serving.manifest.files[ranker_file(name)].sha256
        self._refused[digest] = self._cache.stamp(digest) or (0, 0)
        fields = {"snapshot": serving.manifest.version, "ranker": name, "reason": str(error)}
        expected = isinstance(error, RecsysError)
        LOG.error(
            "compiled ranker refused, LightGBM scores", extra={"fields": fields}, exc_info=None if expected else error
        )


def _require_same_answers(snapshot: Snapshot, faster: Snapshot) -> None:
    """Raise CodeRefused unless both answer every golden question with the same items and the same scores."""
    for ask, _ in snapshot.golden:
        one, other = snapshot.recommend(ask).slate, faster.recommend(ask).slate
        if not (np.array_equal(one.items, other.items) and one.scores.tobytes() == other.scores.tobytes()):
            raise CodeRefused(f"golden query of {ask.serving_config!r} is answered otherwise than with LightGBM")
