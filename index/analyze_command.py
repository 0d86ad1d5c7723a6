"""``recsys-index analyze``: what the data are like, and what a rebuild would make of them."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from index.rebuild_command import instant
from index.state_option import add_state, state_tables

SCHEMA = 1


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; it sets ``func``, a function of the parsed arguments that returns the exit code."""
    about = "describe the data and say which defaults follow, without building anything"
    parser = subparsers.add_parser("analyze", help=about, description=f"{about[0].upper()}{about[1:]}.")
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="folder with events, items and users")
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="a recsys.toml (default: the one beside the tables)"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write every number here")
    parser.add_argument("--until", metavar="ISO", type=instant, help="use only events before this time")
    add_state(parser, "live state to merge with the tables, as rebuild --state does")
    parser.set_defaults(func=_analyze)


def _analyze(arguments: argparse.Namespace) -> int:
    # Imported here: --help must not wait for tables and forests.
    from rich.console import Console

    from index.analysis.analysis import analyse
    from index.analysis.choices import choices
    from index.analysis.console import say, show
    from index.analysis.sections import sections
    from index.analysis.trend import ASCII_BARS, BARS
    from index.analysis.warnings import warnings
    from index.loading import load_for
    from index.progress import Stages

    with Stages() as stages:
        state = state_tables(arguments, stages)
        dataset, end = load_for(arguments.data, arguments.config, until=arguments.until, stages=stages, state=state)
        with stages.stage("analyse") as step:
            analysis = analyse(dataset, end=end)
            step.advance(analysis.sizes.n_events)
    made, found = choices(analysis), warnings(analysis)
    console = Console()
    show(console, sections(analysis, made, marks=BARS if console.encoding.startswith("utf") else ASCII_BARS))
    for warning in found:
        say(console, str(warning))
    if arguments.json is not None:
        report = {
            "schema": SCHEMA,
            **analysis.to_json(),
            "choices": [asdict(choice) for choice in made],
            "warnings": [asdict(warning) for warning in found],
        }
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(
            json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )
    return 0
