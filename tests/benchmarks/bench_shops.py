"""Our lists beside textbook methods in six made-up shops that nobody tuned for.

    python tests/benchmarks/bench_shops.py [--shops NAMES] [--folder DIR] [--max-users N] [--seed N] [--size X]

Each world of ``shops`` is written below ``--folder`` and measured by quality.py, in a process of its own, with defaults
and without anything that was kept by earlier rebuilds. One table and one JSON: task, ours, the best textbook method,
the ratio, and the paired difference with its interval.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from peers.report import JUDGED, OURS
from rich.console import Console
from rich.table import Table
from shops.shop import Shop
from shops.worlds import WORLDS

HERE = Path(__file__).parent
RECTOOLS = ("rectools", "rectools-features")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 and a JSON file; 1 when a shop could not be measured, the others all the same; 2 on bad arguments."""
    options = _parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    rows: list[dict[str, Any]] = []
    failed = []
    for name in options.shops:
        folder = options.folder / name
        shop = WORLDS[name](seed=options.seed, size=options.size)
        shop.write(folder)
        console.print(f"{name}: {shop.events.height:,} events, written to {folder}")
        out = options.json.parent / "shops" / f"{name}.json"
        out.unlink(missing_ok=True)
        if code := _measured(folder, shop, out, options):
            failed.append(f"{name}: quality.py ended with {code}")
        if out.exists():
            rows += rows_of(name, json.loads(out.read_text()))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"rows": rows, "failures": failed}, indent=1) + "\n")
    if rows:
        console.print(table_of(rows))
    for failure in failed:
        console.print(f"failed: {failure}")
    console.print(f"written: {options.json}")
    return 1 if failed else 0


def rows_of(shop: str, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a task of a report of quality.py: ours, the best textbook method, the ratio, the difference."""
    rows = []
    for task, methods in report["tasks"].items():
        others = {name: entry for name, entry in methods.items() if name not in (OURS, *RECTOOLS)}
        if OURS not in methods or not others:
            continue
        best = max(others, key=lambda name: others[name][JUDGED])
        ours, its = methods[OURS][JUDGED], others[best][JUDGED]
        mean, low, high = others[best]["ours_minus_it"][JUDGED]
        rows.append(
            {
                "shop": shop,
                "task": task,
                "users": methods[OURS]["n"],
                "ours": ours,
                "best": best,
                "its": its,
                "ratio": round(ours / its, 4) if its > 0 else None,
                "difference": mean,
                "low": low,
                "high": high,
                "seconds": methods[OURS]["seconds"],
            }
        )
    return rows


def table_of(rows: Sequence[Mapping[str, Any]]) -> Table:
    """For a person."""
    table = Table(title=f"{JUDGED}, defaults", title_justify="left")
    for column in ("shop", "task", "users", "ours", "best textbook", "its", "ratio", "ours minus it (95 %)", "s"):
        table.add_column(column, justify="left" if column in ("shop", "task", "best textbook") else "right")
    for row in rows:
        gap = f"{row['difference']:+.4f} ({row['low']:+.4f} … {row['high']:+.4f})"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
        figures = (f"{row['users']:,}", f"{row['ours']:.4f}", row["best"], f"{row['its']:.4f}", ratio, gap)
        table.add_row(row["shop"], row["task"], *figures, f"{row['seconds']:.0f}")
    return table


def _measured(folder: Path, shop: Shop, out: Path, options: argparse.Namespace) -> int:
    """The exit code of quality.py on ``folder``."""
    command = [sys.executable, str(HERE / "quality.py"), "--data", str(folder), "--split-at", shop.cut.isoformat()]
    command += ["--horizon-days", str(shop.horizon_days)]
    command += ["--max-users", str(options.max_users), "--json", str(out), "--peers-python", str(options.peers_python)]
    if not options.peers_python.exists():
        command += ["--skip", ",".join(RECTOOLS)]
    # What earlier rebuilds chose on the same data would make this one faster than an adopter's first.
    with tempfile.TemporaryDirectory(prefix="bench-shops-") as cache:
        return subprocess.run(command, check=False, env={**os.environ, "RECSYS_CACHE": cache}).returncode


def _names(text: str) -> list[str]:
    names = [name for name in text.replace(" ", ",").split(",") if name]
    if unknown := [name for name in names if name not in WORLDS]:
        raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; there are {', '.join(WORLDS)}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", metavar="NAMES", type=_names, default=list(WORLDS), help=", ".join(WORLDS))
    parser.add_argument("--folder", metavar="DIR", type=Path, default=Path(".demo/shops"), help="%(default)s")
    parser.add_argument(
        "--max-users", metavar="N", type=int, default=3_000, help="asked for a task (%(default)s; 0: all)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=7, help="of the worlds (%(default)s)")
    parser.add_argument("--size", metavar="X", type=float, default=1.0, help="times as many users (%(default)s)")
    parser.add_argument("--peers-python", metavar="FILE", type=Path, default=Path(".venv-peers/bin/python"))
    parser.add_argument("--json", metavar="FILE", type=Path, default=Path("bench/shops.json"), help="%(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
