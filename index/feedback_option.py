"""The flag ``--feedback`` of commands that train rankers, and what it and live state know of shown lists."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from index.state_option import opened

if TYPE_CHECKING:
    from index.dataset import Dataset
    from index.impressions import Impressions
    from index.progress import Stages
    from index.state_tables import StateTables


def add_feedback(parser: argparse.ArgumentParser) -> None:
    """Add the flag that ``impressions`` reads."""
    parser.add_argument(
        "--feedback",
        metavar="FILE|DIR",
        type=Path,
        help="lists that were shown and what was taken of them, for rankers to learn from beside the lists that "
        "--state has (report feedback --impressions writes such a file)",
    )


def impressions(
    arguments: argparse.Namespace, dataset: Dataset, end: int, stages: Stages, state: StateTables | None
) -> Impressions | None:
    """What was shown before ``end``, by ``--feedback`` and by the log in ``--state``; None where neither has any.

    InputError when the file cannot be read, or is of another shop.
    """
    if arguments.feedback is None and state is None:
        return None
    import polars as pl

    from index.impression_sources import of_files, of_state
    from index.impressions import Impressions
    from index.windows import MOST_WINDOWS
    from recsys.decay import DAY_S
    from recsys.errors import InputError

    parts: list[pl.DataFrame] = []
    n_erased = 0
    if arguments.feedback is not None:
        with stages.stage("read feedback") as step:
            most = dataset.settings.cleaning.max_rejected_share
            rows, n_rejected = of_files(arguments.feedback, most_rejected=most)
            step.advance(rows.height)
        if n_rejected:
            stages.print(f"feedback: {n_rejected:,} rows make no sense and are left out")
        if state is not None:
            kept = rows.filter((rows["time"] > state.erased_ids(rows["user_id"])).fill_null(True))
            n_erased = rows.height - kept.height
            rows = kept.with_columns(state.linked(kept["user_id"]))
        if rows.height and not Impressions.of(rows, dataset, end=2**62):
            raise InputError(
                f"--feedback {arguments.feedback}: none of its {rows.height:,} rows is of a user and an item of "
                f"{arguments.data}"
            )
        parts.append(rows)
    if state is not None:
        training = dataset.settings.training
        # No window begins earlier.
        since = end - (training.windows or MOST_WINDOWS) * training.days * DAY_S
        with stages.stage("read shown lists") as step, opened(arguments.state) as store:
            parts.append(of_state(store, state, dataset.settings, since=since, advance=step.advance))
    rows = pl.concat(parts)
    if not rows.height and not n_erased:
        if arguments.feedback is not None:
            stages.print(f"feedback: {arguments.feedback} has no impressions")
        return None
    shown = Impressions.of(rows, dataset, end=end, n_erased=n_erased)
    stages.print(str(shown))
    return shown if len(shown) else None
