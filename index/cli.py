"""``recsys-index``: the operator's command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from index import analyze_command, evaluate_command, ingest_command, rebuild_command, report_command, snapshot_commands
from index.datasets import command as dataset_command
from recsys.errors import GateFailed, InputError, RecsysError

BAD_INPUT = 2
GATE_FAILED = 3
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0 done · 2 bad input or usage · 3 a gate failed · 130 interrupted."""
    arguments = _parser().parse_args(argv)
    # Threads that wait by spinning make everything several times slower as soon as another process wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return int(arguments.func(arguments))
    except GateFailed as error:
        return _fail(error, GATE_FAILED)
    except RecsysError as error:
        return _fail(error, BAD_INPUT)
    except OSError as error:
        # A file the operator named that cannot be read or written (a cache, a report): theirs to mend, and no bug.
        if error.filename is None:
            raise
        return _fail(InputError(f"{error.filename}: {error.strerror}"), BAD_INPUT)
    except KeyboardInterrupt:
        print("recsys-index: interrupted; nothing was published", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recsys-index",
        description="Turn events, items and users into a published snapshot, and look after snapshots.",
        epilog="Exit codes: 0 done, 2 bad input or usage, 3 a gate refused the snapshot or verify found whom it "
        "should not, 130 interrupted.",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in (
        dataset_command,
        analyze_command,
        rebuild_command,
        evaluate_command,
        ingest_command,
        report_command,
        snapshot_commands,
    ):
        module.register(subparsers)
    return parser


def _fail(error: RecsysError, code: int) -> int:
    sentence = " ".join(str(error).split())
    print(f"recsys-index: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
