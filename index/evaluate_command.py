"""``recsys-index evaluate``: fit before a split, score what happened after it."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from index.feedback_option import add_feedback, impressions
from index.rebuild_command import add_fresh, cache_folder, instant, stage_cache
from index.state_option import add_state, state_tables
from recsys.decay import DAY_S
from recsys.errors import InputError

if TYPE_CHECKING:
    from index.figures import Evaluation, Scores
    from index.progress import Stages
    from index.state_tables import StateTables

# The length of a window when there are several and none is given; one window goes on to the last event.
_WINDOW_DAYS = 28


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; it sets ``func``, a function of the parsed arguments that returns the exit code."""
    about = "fit on events before a time and score every source and the pipeline on what came after"
    parser = subparsers.add_parser("evaluate", help=about, description=f"{about[0].upper()}{about[1:]}.")
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="folder with events, items and users")
    parser.add_argument(
        "--split-at", metavar="ISO", type=instant, required=True, help="the time that divides past and truth"
    )
    parser.add_argument(
        "--horizon-days", metavar="N", type=int, help="length of the truth (default: to the last event)"
    )
    parser.add_argument(
        "--windows",
        metavar="N",
        type=int,
        default=1,
        help="also fit and score at N - 1 splits a horizon (28 days by default) apart before it, and pool the users",
    )
    parser.add_argument(
        "--json", metavar="FILE", type=Path, help="also write tasks.{all,novel}.{name}.{metric} and the rest here"
    )
    parser.add_argument("--html", metavar="FILE", type=Path, help="also write a page with tables and plots here")
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="a recsys.toml (default: the one beside the tables)"
    )
    parser.add_argument(
        "--cache",
        metavar="DIR",
        type=Path,
        default=cache_folder(),
        help="where embeddings and rows of windows are kept (%(default)s)",
    )
    add_state(parser, "live state to merge with the tables, before the split and after it, as rebuild --state does")
    add_feedback(parser)
    add_fresh(parser)
    parser.add_argument(
        "--ablate",
        action="store_true",
        help="also score rankers trained without each family of features and each source (minutes each)",
    )
    parser.set_defaults(func=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    for flag in ("horizon_days", "windows"):
        if (value := getattr(arguments, flag)) is not None and value < 1:
            raise InputError(f"--{flag.replace('_', '-')} must be at least 1, got {value}")
    # Now, not after minutes of work: a place where nothing can be written.
    for file in (arguments.json, arguments.html):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
    from rich.console import Console

    from index.comparisons import ablations_table, differences_table, scope, sentences, slices_table
    from index.figures import Evaluation
    from index.progress import Stages
    from index.reporting import metrics_table

    with Stages() as stages:
        windows = _windows(arguments, stages, state_tables(arguments, stages))
        with stages.stage("draw intervals"):
            evaluation = Evaluation.of(windows)
        _write(evaluation, arguments)
    console = Console(width=None if os.isatty(1) else 160)
    console.print(metrics_table(evaluation.tasks, scope(evaluation)))
    console.print(differences_table(evaluation))
    if (ablations := ablations_table(evaluation)) is not None:
        console.print(ablations)
    console.print(slices_table(evaluation))
    for sentence in sentences(evaluation):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    return 0


def _windows(arguments: argparse.Namespace, stages: Stages, state: StateTables | None) -> list[Scores]:
    """The scores of each window, newest first; older ones that have nothing to fit on or to score are left out."""
    horizon = arguments.horizon_days if arguments.windows == 1 else arguments.horizon_days or _WINDOW_DAYS
    found: list[Scores] = []
    for position in range(arguments.windows):
        start = arguments.split_at - position * (horizon or 0) * DAY_S
        try:
            end = None if horizon is None else start + horizon * DAY_S
            found.append(_window(arguments, stages, state, start=start, end=end))
        except InputError as error:
            if not found:
                raise
            stages.print(f"note: {position} of {arguments.windows} windows are scored, the next one has none: {error}")
            break
    return found


def _window(
    arguments: argparse.Namespace, stages: Stages, state: StateTables | None, *, start: int, end: int | None
) -> Scores:
    from index.alternatives import Alternatives, Lists
    from index.build import build
    from index.builder import Builder
    from index.cut import Cut
    from index.evaluation import evaluate
    from index.loading import load_for

    dataset, _ = load_for(arguments.data, arguments.config, until=start, stages=stages, state=state)
    with stages.stage("read the truth"):
        cut = Cut.read(arguments.data, dataset, start=start, end=end, state=state)
    shown = impressions(arguments, dataset, start, stages, state)
    kept = stage_cache(arguments, stages.print)
    # No selection of an earlier rebuild: what is evaluated is what the past of this split alone would choose.
    built = build(Builder.of(dataset, cache=arguments.cache, stages=stages, kept=kept, shown=shown), end=start)
    for note in built.notes:
        stages.print(f"note: {note}")
    extras: dict[str, Lists] = {}
    if built.lesson is not None:
        others = Alternatives(built.snapshot, built.lesson, start)
        with stages.stage("fit the other fusions"):
            extras |= others.fusions()
        if arguments.ablate:
            extras |= others.ablations(lambda what: stages.print(f"training without {what}"))
    return evaluate(dataset, built.snapshot, cut, stages, extras=extras)


def _write(evaluation: Evaluation, arguments: argparse.Namespace) -> None:
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(evaluation.to_json(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if arguments.html is not None:
        from index.page import page

        arguments.html.write_text(page(evaluation, "How good the lists are"), encoding="utf-8")
