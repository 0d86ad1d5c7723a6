"""``recsys-batch``: lists for many users into one Parquet or JSON Lines file."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter

import grpc
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from recsys.errors import InputError
from server.batch_files import Output, read_users
from server.channel import (
    EXIT_CODES,
    add_diversity,
    add_filter,
    add_target,
    connect,
    limit,
    sentence_of,
    timestamp_of_iso,
)
from server.credentials import Credentials, credentials_of
from server.export import Export, ExportFailed, Totals, Wish, all_users

ALL = "all"
# Each is one TCP connection; the kernel spreads connections, not calls, over a server's workers.
N_CHANNELS = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the file is written; 1 when the server fails; 2 on bad arguments or files."""
    options = _parser().parse_args(arguments)
    try:
        at = None if options.at is None else timestamp_of_iso(options.at)
        wish = Wish(options.limit, options.serving_config, at, options.filter, options.diversity)
        output = Output(Path(options.out))
        credentials = credentials_of(options)
        users = None if options.users == ALL else read_users(Path(options.users))
        started = perf_counter()
        with _interruptible():
            totals = _export(options.target, credentials, users, wish, output)
    except InputError as error:
        return _failed(str(error), 2)
    except UnicodeEncodeError:
        return _failed("an argument is not UTF-8 text", 2)
    except ExportFailed as error:
        return _failed(str(error), 1)
    except grpc.RpcError as error:
        return _failed(sentence_of(error, options.target), 1)
    except OSError as error:
        return _failed(f"--out {options.out} cannot be written: {error.strerror or error}", 2)
    except KeyboardInterrupt as interruption:
        number = interruption.args[0] if interruption.args else signal.SIGINT
        return _failed(f"interrupted: {options.out} was not written", 128 + number)
    seconds = perf_counter() - started
    print(
        f"{totals.n_users} users, {totals.n_rows} rows from snapshot {totals.snapshot_version} in {seconds:.1f} s "
        f"({totals.n_users / max(seconds, 1e-9):.0f} users/s): {options.out}"
    )
    for warning, n_times in totals.warnings.most_common(5):
        print(f"warning for {n_times} users: {warning}")
    return 0


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP are as Ctrl-C: what is written so far is dropped on the way out."""

    def interrupt(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    # Only the main thread may say what a signal does; what is ignored, as by nohup, stays ignored.
    is_main = threading.current_thread() is threading.main_thread()
    signals = [s for s in (signal.SIGTERM, signal.SIGHUP) if is_main and signal.getsignal(s) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _export(target: str, credentials: Credentials, users: Sequence[str] | None, wish: Wish, output: Output) -> Totals:
    with ExitStack() as stack:
        channels = [stack.enter_context(connect(target, credentials)) for _ in range(N_CHANNELS)]
        stack.callback(output.drop)
        wanted = all_users(channels[0]) if users is None else users
        with _progress(len(wanted)) as progress:
            totals = Export(channels, wish).run(wanted, output.rows, progress)
        output.keep()
        return totals


@contextmanager
def _progress(n_users: int) -> Iterator[Callable[[int], None]]:
    """What to tell how many users are done: a bar when a person watches, else a plain line every tenth."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain(n_users)
        return
    columns = (TextColumn("users"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("users", total=n_users)
        yield lambda n_done: bar.update(task, completed=n_done)


def _plain(n_users: int) -> Callable[[int], None]:
    reported = 0

    def told(n_done: int) -> None:
        nonlocal reported
        tenth = 10 * n_done // max(n_users, 1)
        if tenth != reported:
            reported = tenth
            print(f"{n_done} of {n_users} users", file=sys.stderr, flush=True)

    return told


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recsys-batch", description="Fetch recommendations for many users.", epilog=EXIT_CODES
    )
    add_target(parser)
    parser.add_argument(
        "--users", metavar="FILE|all", required=True, help="one id a line, Parquet with user_id, or all"
    )
    parser.add_argument("--limit", metavar="N", type=limit, default=20, help="items a user, 1 to 200, default 20")
    parser.add_argument("--serving-config", metavar="NAME", default="home", help="default home")
    add_filter(parser)
    add_diversity(parser)
    parser.add_argument("--at", metavar="ISO", help='"now" for the answers; default the server\'s clock')
    parser.add_argument("--out", metavar="FILE", required=True, help="ends in .parquet or .jsonl")
    return parser


def _failed(sentence: str, code: int) -> int:
    print(f"recsys-batch: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
