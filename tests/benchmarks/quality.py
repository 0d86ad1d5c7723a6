"""Our lists beside textbook methods and RecTools, on the same cut in the same run.

    python tests/benchmarks/quality.py --data DIR [--split-at ISO | --windows N] [--only NAMES] [--skip NAMES]

Without --data: Complete Journey in .demo/data, cut at 2017-12-04T05:00Z. Otherwise the cut is 28 days (or
--horizon-days) before the last event, or --windows N of them, pooled. Nobody sees anything from the cut on: ours is
rebuilt with --until, served and asked by recsys-batch; the methods get the rows before it, their settings are chosen on
a window as long before the (oldest) cut. Where only some events count, each method is fed once with those and once with
all; the better one counts.
Truth and metrics share no code with the project's own evaluation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import polars as pl
from peers.choice import choose, usual
from peers.cut import HORIZON_DAYS, TASKS, Cut, rolling, sampled, takes_twice
from peers.history import History
from peers.lists import best_lists
from peers.methods import METHODS, Method
from peers.ours import our_lists
from peers.report import OURS, Run, print_tables, to_json
from peers.scoring import score
from peers.tables import Events, instant, iso, read_events
from peers.two_stage import rectools_lists
from rich.console import Console

COMPLETE_JOURNEY = Path(".demo/data")
COMPLETE_JOURNEY_CUT = "2017-12-04T05:00Z"
PEERS_PYTHON = Path(".venv-peers/bin/python")
RECTOOLS = {"rectools": False, "rectools-features": True}
NAMES = (OURS, *(method.name for method in METHODS), *RECTOOLS)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 and a JSON file; 1 when ours or RecTools failed (the rest is written all the same); 2 on bad arguments."""
    # The library implicit says how long its own conversions of its own matrices took.
    warnings.filterwarnings("ignore", module="implicit")
    parser = _parser()
    options = parser.parse_args(arguments)
    names = [name for name in options.only or NAMES if name not in options.skip]
    if any(name in RECTOOLS for name in names) and not options.peers_python.exists():
        parser.error(
            f"{options.peers_python} is missing: make it with `make bench-quality`, or --skip {','.join(RECTOOLS)}"
        )
    data = options.data or COMPLETE_JOURNEY
    try:
        events = read_events(data, options.config)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    cuts = _cuts(options, events)
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(f"{data}: {events.rows.height:,} events, targets {', '.join(events.targets)}, {events.why}")
    if empty := [cut for cut in cuts if not cut.truth(events, "all").height]:
        console.print(f"left out, for nobody known had anything to be right about: {', '.join(map(_start, empty))}")
        cuts = [cut for cut in cuts if cut not in empty]
    if not cuts:
        parser.error("nobody who was known before a cut took anything after it")
    bench = Bench(data, events, options.max_users, console)
    for cut in cuts:
        bench.measure(cut, cuts[0].earlier(horizon_days=options.horizon_days), names, options)
    tasks = to_json(bench.runs)
    print_tables(tasks, console)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "data": data.name,
        "cuts": [{"start": iso(cut.start), "end": None if cut.end is None else iso(cut.end)} for cut in cuts],
        "targets": list(events.targets),
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "snapshots": bench.versions,
        "failures": bench.failures,
        "tasks": tasks,
    }
    options.json.write_text(json.dumps(report, indent=1) + "\n")
    for failure in bench.failures:
        console.print(f"failed: {failure}")
    console.print(f"written: {options.json}")
    return 1 if bench.failures else 0


class Bench:
    """Runs by method and variant, filled cut by cut."""

    def __init__(self, data: Path, events: Events, most_users: int, console: Console) -> None:
        """Nothing measured yet; ``most_users`` of each task are asked for, 0 = all."""
        self.data, self.events, self.most_users, self.console = data, events, most_users, console
        self.runs: list[Run] = []
        self.versions: list[str] = []
        self.failures: list[str] = []

    def measure(self, cut: Cut, earlier: Cut, names: Sequence[str], options: argparse.Namespace) -> None:
        """Every method of ``names`` on ``cut``; settings are chosen on ``earlier``, once."""
        before = cut.before(self.events)
        truths = {task: sampled(cut.truth(self.events, task), self.most_users) for task in TASKS}
        users = {task: truth["user_id"].unique().sort().to_list() for task, truth in truths.items()}
        told = ", ".join(f"{task} {len(users[task]):,} users" for task in TASKS)
        self.console.print(f"cut at {iso(cut.start)}: {before.height:,} events before it; {told}")
        known = before["item_id"].unique()
        if OURS in names:
            self._ours(cut, truths, users, known, options.config)
        counting = before.filter("is_good").height
        variants = {"targets": False} | ({"all events": True} if counting < before.height else {})
        for variant, with_all_events in variants.items():
            history = History.of(before, start=cut.start, with_all_events=with_all_events)
            for method in METHODS:
                if method.name in names:
                    run = self._run(method.name, variant)
                    if options.no_tuning:
                        run.choices = usual(method)
                    elif not run.choices:
                        run.choices = choose(method, self.events, earlier, with_all_events=with_all_events)
                    self._textbook(method, run, history, truths, users)
            for name, with_features in RECTOOLS.items():
                if name in names:
                    run = self._run(name, variant)
                    self._rectools(run, cut, history, truths, users, options.peers_python, with_features)

    def _run(self, name: str, variant: str) -> Run:
        for run in self.runs:
            if (run.name, run.variant) == (name, variant):
                return run
        self.runs.append(Run(name, variant))
        return self.runs[-1]

    def _ours(
        self,
        cut: Cut,
        truths: dict[str, pl.DataFrame],
        users: dict[str, list[str]],
        known: pl.Series,
        config: Path | None,
    ) -> None:
        try:
            lists = our_lists(self.data, users, start=cut.start, config=config)
        except RuntimeError as error:
            self.failures.append(f"{OURS} at {iso(cut.start)}: {error}")
            return
        run = self._run(OURS, "all tables")
        run.seconds += lists.rebuild_s + lists.batch_s
        self.versions.append(lists.version)
        for task, truth in truths.items():
            run.scores[task].append(score(lists.top[task], lists.deep[task], truth, known))
        self.console.print(f"  {OURS}: rebuild {lists.rebuild_s:.0f} s, lists {lists.batch_s:.0f} s")

    def _textbook(
        self,
        method: Method,
        run: Run,
        history: History,
        truths: dict[str, pl.DataFrame],
        users: dict[str, list[str]],
    ) -> None:
        started = perf_counter()
        everyone = sorted({user for wanted in users.values() for user in wanted})
        made: dict[str, dict[bool, pl.DataFrame]] = {}
        for task, truth in truths.items():
            choice = run.choices[task]
            key = str(choice.setting)
            if key not in made:
                made[key] = best_lists(history, method.fit(history, **choice.setting), everyone)
            lists = made[key][choice.exclude_owned]
            run.scores[task].append(score(lists, lists, truth, history.item_ids))
        seconds = perf_counter() - started
        run.seconds += seconds
        self.console.print(f"  {run.name} ({run.variant}): {seconds:.0f} s")

    def _rectools(
        self,
        run: Run,
        cut: Cut,
        history: History,
        truths: dict[str, pl.DataFrame],
        users: dict[str, list[str]],
        python: Path,
        with_features: bool,
    ) -> None:
        try:
            lists, seconds = rectools_lists(
                history, users, python=python, with_features=with_features, with_repeats=takes_twice(self.events, cut)
            )
        except RuntimeError as error:
            self.failures.append(f"{run.name} ({run.variant}): {error}")
            self.runs.remove(run)
            return
        run.seconds += seconds
        for task, truth in truths.items():
            run.scores[task].append(score(lists[task], lists[task], truth, history.item_ids))
        self.console.print(f"  {run.name} ({run.variant}): {seconds:.0f} s")


def _cuts(options: argparse.Namespace, events: Events) -> list[Cut]:
    if options.windows:
        return rolling(events, options.windows, horizon_days=options.horizon_days)
    split_at = options.split_at or (None if options.data else COMPLETE_JOURNEY_CUT)
    return [Cut(instant(split_at), None)] if split_at else rolling(events, 1, horizon_days=options.horizon_days)


def _start(cut: Cut) -> str:
    return iso(cut.start)


def _names(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return names


def _iso(text: str) -> str:
    try:
        instant(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a time such as {COMPLETE_JOURNEY_CUT}, got {text!r}") from error
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", type=Path, help="folder with events, items and users")
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="a recsys.toml (default: the one beside the tables)"
    )
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--split-at", metavar="ISO", type=_iso, help="the cut; the truth runs to the last event")
    when.add_argument("--windows", metavar="N", type=int, help="pool the last N windows")
    parser.add_argument(
        "--horizon-days", metavar="N", type=int, default=HORIZON_DAYS, help="length of a window (%(default)s)"
    )
    parser.add_argument("--only", metavar="NAMES", type=_names, help=f"comma-separated, of {', '.join(NAMES)}")
    parser.add_argument("--skip", metavar="NAMES", type=_names, default=[], help="leave these out")
    parser.add_argument("--max-users", metavar="N", type=int, default=0, help="ask for N users a cut, drawn once (all)")
    parser.add_argument("--no-tuning", action="store_true", help="usual settings instead of chosen ones")
    parser.add_argument("--peers-python", metavar="FILE", type=Path, default=PEERS_PYTHON, help="%(default)s")
    parser.add_argument("--json", metavar="FILE", type=Path, default=Path("bench/quality.json"), help="%(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
