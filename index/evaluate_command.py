"""``recsys-index evaluate``: fit before a split, score what happened after it."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from index.rebuild_command import cache_folder, instant
from recsys.errors import InputError


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
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write tasks.{all,novel}.{name}.{metric} here")
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="a recsys.toml (default: the one beside the tables)"
    )
    parser.add_argument(
        "--cache", metavar="DIR", type=Path, default=cache_folder(), help="embedding cache (%(default)s)"
    )
    parser.set_defaults(func=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    if arguments.horizon_days is not None and arguments.horizon_days < 1:
        raise InputError(f"--horizon-days must be at least 1, got {arguments.horizon_days}")
    from rich.console import Console

    from index.build import Builder, build
    from index.evaluation import Cut, evaluate
    from index.loading import load_for
    from index.progress import Stages
    from index.reporting import metrics_table, plain

    split = arguments.split_at
    with Stages() as stages:
        dataset, _ = load_for(arguments.data, arguments.config, until=split, stages=stages)
        end = None if arguments.horizon_days is None else split + arguments.horizon_days * 86_400
        with stages.stage("read the truth"):
            cut = Cut.read(arguments.data, dataset, start=split, end=end)
        built = build(Builder.of(dataset, cache=arguments.cache, stages=stages), end=split)
        tasks, facts = evaluate(dataset, built.snapshot, cut, stages)
    Console(width=None if os.isatty(1) else 160).print(
        metrics_table(tasks, f"After {facts['split_at']}: {facts['n_users']}")
    )
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"tasks": plain(tasks), **facts}, indent=2, sort_keys=True) + "\n")
    return 0
