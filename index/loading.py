"""Reading a data folder with its story told: counts by reason, and the defaults that were worked out."""

from __future__ import annotations

import time
from pathlib import Path

from index.dataset import Dataset, load
from index.progress import Stages
from index.state_tables import StateTables
from recsys.decay import DAY_S


def load_for(
    folder: Path, config: Path | None, *, until: int | None, stages: Stages, state: StateTables | None = None
) -> tuple[Dataset, int]:
    """The dataset and the end of its time, everything printed.

    The end is ``until``, or a second after the last event where that lies more than a day before: of the time between
    nothing is known, and windows in it would hold nobody.
    """
    with stages.stage("read and clean") as step:
        dataset = load(folder, config, now=int(time.time()), until=until, state=state)
        step.advance(dataset.report.n_read)
    for line in (*dataset.report.lines(), *dataset.choices):
        stages.print(str(line))
    stages.print(
        f"{len(dataset.user_ids):,} users, {len(dataset.item_ids):,} items, {len(dataset.interactions):,} interactions"
    )
    last = int(dataset.interactions.times.max()) + 1
    return dataset, until if until is not None and until - last < DAY_S else last
