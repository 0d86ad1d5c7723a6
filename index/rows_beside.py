"""The rows of older windows, worked out by a second process while this one works on the newer.

Most of what a window takes runs on one core: calls are many and short, and a second thread would only wait for the
interpreter. The process leaves its rows in the stage cache, as an earlier build would have; what it does not finish,
for whatever reason, is worked out by the first.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from multiprocessing.process import BaseProcess, parent_process

from rich.console import Console
from threadpoolctl import threadpool_limits

from index.at_once import n_cores
from index.builder import Builder
from index.dataset import Dataset
from index.fit import Timeless
from index.fit_settings import FitSettings
from index.labelled import Extent
from index.progress import Stages
from index.stage_cache import StageCache
from index.stage_keys import Keys
from index.windows import Window
from recsys.ids import IdMap

# With fewer, starting the process and handing the data over takes as long as the rows.
LEAST_EVENTS = 200_000


@dataclass(frozen=True, slots=True)
class _Shop:
    """What the process needs of a builder: arrays and settings, nothing that is open."""

    dataset: Dataset
    timeless: Timeless
    keys: Keys
    cache: StageCache
    fitting: FitSettings

    @classmethod
    def of(cls, builder: Builder, cache: StageCache) -> _Shop:
        without_index = replace(builder.timeless, text_index=None)
        return cls(builder.dataset, without_index, builder.keys, replace(cache, say=_unsaid), builder.fitting)

    def builder(self, stages: Stages) -> Builder:
        seed, known = self.dataset.settings.training.seed, self.timeless
        timeless = Timeless.of(
            known.catalogue, known.profiles, known.vectors, known.text_of, seed=seed, platforms=known.platforms
        )
        users = IdMap.of(self.dataset.user_ids)
        return Builder(self.dataset, users, timeless, stages, self.keys, self.cache, self.fitting)


@dataclass(frozen=True, slots=True)
class RowsBeside:
    """windows: whose rows the process works out."""

    windows: frozenset[Window] = frozenset()
    process: BaseProcess | None = None

    def wait(self) -> None:
        """Until the process has ended: its rows are kept then, or never will be."""
        if self.process is not None:
            self.process.join()


@contextmanager
def rows_beside(builder: Builder, windows: Mapping[Window, Extent], *, off: Set[str]) -> Iterator[RowsBeside]:
    """Work out the rows of ``windows`` in their order while the block runs; the process ends with it.

    windows: what is wanted of each. Nothing runs beside on one core, for little data, where nothing is
    kept or read, or where all is there already. It takes as much memory again as the data and the models of one
    window: a rebuild of Complete Journey had 4.5 GB in both processes together.
    """
    cache = builder.kept
    missing = {one: extent for one, extent in windows.items() if not builder.has_rows(one, extent, off=off)}
    too_little = n_cores() < 2 or len(builder.dataset.interactions) < LEAST_EVENTS
    if cache is None or cache.fresh or not cache.most_bytes or not missing or too_little:
        yield RowsBeside()
        return
    process = multiprocessing.get_context("spawn").Process(
        target=_work_out, args=(_Shop.of(builder, cache), missing, frozenset(off)), daemon=True
    )
    process.start()
    try:
        yield RowsBeside(frozenset(missing), process)
    finally:
        process.terminate()
        process.join()


def _work_out(shop: _Shop, windows: Mapping[Window, Extent], off: frozenset[str]) -> None:
    # The first process hears of Ctrl-C and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    silent = Stages(console=Console(file=StringIO()))
    builder = shop.builder(silent)
    for window, extent in windows.items():
        first = parent_process()
        if first is None or not first.is_alive():
            return  # killed: nobody will ask for the rows
        with threadpool_limits(1, "blas"):
            builder.labelled(window, extent, off=off)


def _unsaid(line: str) -> None:
    """The first process says the same when it reads the rows or makes them anew."""
