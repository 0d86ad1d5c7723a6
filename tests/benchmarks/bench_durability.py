"""kill -9 of writers at full speed, and of a Valkey server, at random moments: what was acknowledged is there.

    python -m tests.benchmarks.bench_durability [--kills N] [--engines sqlite valkey] [--json FILE]

Two processes of four threads write at a time; the store is the same one over all kills, and SQLite's file is checked
after each. A control that acknowledges before it commits must fail. Exits with 1 when anything acknowledged is missing,
anything is there twice, in part or was written by nobody, or when the control is not found out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from tests.recsys.stores.killing import Killing, Tally, kill_writers
from tests.recsys.stores.running_valkey import RunningValkey

CONTROL_KILLS = 10
ENGINES = ("sqlite", "valkey")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 and a JSON file of figures; 1 when something acknowledged was lost, or the control was not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="of each engine (%(default)s)")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--json", type=Path, default=Path("bench/durability.json"), metavar="FILE")
    options = parser.parse_args(arguments)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="durability-") as folder:
        if "sqlite" in options.engines:
            figures["sqlite"] = told("sqlite", sqlite(Path(folder, "state"), options.kills))
            control = sqlite(Path(folder, "control"), CONTROL_KILLS, too_early=True)
            figures["control"] = told("acknowledged before the commit", control)
        if "valkey" in options.engines:
            figures["valkey"] = told("valkey", valkey(Path(folder, "valkey"), options.kills))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    sound = all(figures[engine]["wrong"] == 0 for engine in options.engines)
    found_out = "control" not in figures or figures["control"]["wrong"] > 0
    print("nothing acknowledged was lost" if sound else "ACKNOWLEDGED EVENTS WERE LOST, DOUBLED OR INVENTED")
    print("the control was found out" if found_out else "THE CONTROL WAS NOT FOUND OUT")
    return 0 if sound and found_out else 1


def sqlite(folder: Path, n_kills: int, *, too_early: bool = False) -> Tally:
    """Writers are killed; nothing needs to be brought back."""
    killing = Killing(str(folder), kill_writers, lambda: None, too_early=too_early)
    for _ in range(n_kills):
        killing.round()
        connection = apsw.Connection(str(folder / "state.db"))
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchall()
        connection.close()
        if verdict != ("ok",):
            killing.tally.wrong.append(f"integrity_check: {verdict}")
    killing.look_again()
    return killing.tally


def valkey(folder: Path, n_kills: int) -> Tally:
    """The server is killed, and started again."""
    with RunningValkey(folder) as server:
        killing = Killing(server.url, lambda _: server.kill(), server.start)
        for _ in range(n_kills):
            killing.round()
        killing.look_again()
    return killing.tally


def told(name: str, tally: Tally) -> dict[str, int]:
    """The figures, printed too."""
    print(
        f"{name}: {tally.n_kills} kills, {tally.n_acknowledged:,} events acknowledged, {tally.n_kept:,} kept, "
        f"{tally.n_unacknowledged_kept:,} of them in flight; wrong: {len(tally.wrong)}",
        *tally.wrong[:5],
        sep="\n  ",
        flush=True,
    )
    return {
        "kills": tally.n_kills,
        "acknowledged": tally.n_acknowledged,
        "kept": tally.n_kept,
        "in_flight_kept": tally.n_unacknowledged_kept,
        "wrong": len(tally.wrong),
    }


if __name__ == "__main__":
    sys.exit(main())
