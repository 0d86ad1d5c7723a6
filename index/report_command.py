"""``recsys-index report feedback``: what became of the lists that were shown."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.rebuild_command import instant
from index.state_option import add_state, opened
from recsys.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from index.feedback import Feedback, Line, Rate

SCHEMA = 1
# What the screen shows of positions and sources; the file has all.
_MOST_LINES = 20
_TITLES = {"serving_config": "serving config", "variant": "experiment"}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; it sets ``func``, a function of the parsed arguments that returns the exit code."""
    summary = "tell what live state has seen"
    parser = subparsers.add_parser("report", help=summary, description=f"{summary.capitalize()}.")
    names = parser.add_subparsers(dest="name", metavar="NAME", required=True)
    about = "click-through and conversion of the lists that were shown, by serving config, position and source"
    feedback = names.add_parser("feedback", help=about, description=f"{about.capitalize()}.")
    add_state(feedback, "the state whose servers log their lists", required=True)
    feedback.add_argument("--since", metavar="ISO", type=instant, help="only lists shown and events done since then")
    feedback.add_argument(
        "--click-types", metavar="TYPES", default="view,click", help="events that are a click (default %(default)s)"
    )
    feedback.add_argument(
        "--target-types", metavar="TYPES", default="purchase", help="events that convert (default %(default)s)"
    )
    feedback.add_argument("--json", metavar="FILE", type=Path, help="also write every number here")
    feedback.add_argument(
        "--negatives",
        metavar="FILE.parquet",
        type=Path,
        help="also write what was shown and not taken up, weighted by how likely it was looked at",
    )
    feedback.add_argument(
        "--impressions",
        metavar="FILE.parquet",
        type=Path,
        help="also write every place that was shown to somebody, for rebuild --feedback",
    )
    feedback.set_defaults(func=_feedback)


def _feedback(arguments: argparse.Namespace) -> int:
    # Imported here: --help must not wait for the tables library.
    from rich.console import Console

    from index.feedback import PARTS, Feedback, acted_on
    from index.impression_sources import to_file
    from index.position_bias import negatives
    from index.progress import Stages

    for file in (arguments.json, arguments.negatives, arguments.impressions):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
    clicks, targets = (_types(getattr(arguments, name), name) for name in ("click_types", "target_types"))
    with Stages() as stages, opened(arguments.state) as state:
        with stages.stage("read lists and events") as step:
            since_us = (arguments.since or 0) * 1_000_000
            feedback = Feedback.read(
                state, click_types=clicks, target_types=targets, since_us=since_us, advance=step.advance
            )
        if arguments.negatives is not None:
            with stages.stage("weigh negatives") as step:
                table = negatives(feedback.placements, acted_on(state))
                table.write_parquet(arguments.negatives)
                step.advance(table.height)
        if arguments.impressions is not None:
            with stages.stage("write impressions") as step:
                step.advance(to_file(feedback.placements, arguments.impressions))
    console = Console(width=None if os.isatty(1) else 160, highlight=False)
    for by in PARTS:
        if lines := feedback.lines(by):
            console.print(_table(_TITLES.get(by, by), lines[:_MOST_LINES]))
            if len(lines) > _MOST_LINES:
                console.print(f"and {len(lines) - _MOST_LINES:,} more; --json FILE has all")
    for sentence in _sentences(feedback):
        console.print(sentence, markup=False, soft_wrap=True)
    if arguments.json is not None:
        told = {"schema": SCHEMA, "since": arguments.since, "click_types": clicks, "target_types": targets}
        report = _finite({**told, **feedback.to_json()})
        arguments.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def _types(text: str, name: str) -> list[str]:
    types = [part.strip() for part in text.split(",") if part.strip()]
    if not types:
        raise InputError(f"--{name.replace('_', '-')} must name at least one event type, got {text!r}")
    return types


def _sentences(feedback: Feedback) -> list[str]:
    total = feedback.total()
    if not total.n_shown:
        return ["no list was logged: recsys-server --log-slates SHARE logs them"]
    return [
        f"{feedback.n_slates:,} lists with {total.n_shown:,} items: {total.n_clicked:,} clicked "
        f"({_rate(total.click_through)}), {total.n_converted:,} converted ({_rate(total.conversion)})",
        f"not joined: {feedback.n_slates - feedback.n_joined:,} lists without an event; of {feedback.n_events:,} "
        f"events {feedback.n_without:,} follow from no answer, {feedback.n_unknown:,} from one that was not logged, "
        f"{feedback.n_elsewhere:,} name an item that was not in its list",
        "intervals: Wilson, 95 %, as if places were independent of each other; a place counts for every source that "
        "proposed its item",
    ]


def _table(title: str, lines: list[Line]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title, title_justify="left")
    for heading in ("shown", "clicked", "click-through", "converted", "conversion"):
        table.add_column(heading, justify="right")
    for line in lines:
        table.add_row(
            Text(line.name),
            f"{line.n_shown:,}",
            f"{line.n_clicked:,}",
            _rate(line.click_through),
            f"{line.n_converted:,}",
            _rate(line.conversion),
        )
    return table


def _rate(rate: Rate) -> str:
    return f"{rate.value:.2%} [{rate.low:.2%} – {rate.high:.2%}]"


def _finite(value: Any) -> Any:
    """NaN as null: JSON has no word for it."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return None if isinstance(value, float) and value != value else value
