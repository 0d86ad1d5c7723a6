"""``recsys-index ingest``: events from a stream or from standard input into a state store."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from index.state_option import add_state, opened
from recsys.errors import InputError, StateUnavailable

if TYPE_CHECKING:
    from index.feeds import Feed
    from index.ingest import Tally
    from index.progress import Stages, Step

STDIN = "-"
# Of a command that goes on for days, a log should hear now and then.
_TOLD_EVERY = 100_000


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; it sets ``func``, a function of the parsed arguments that returns the exit code."""
    about = "write events from a stream or from standard input into live state"
    parser = subparsers.add_parser(
        "ingest",
        help=about,
        description=f"{about[0].upper()}{about[1:]}. Nothing is lost and nothing is kept twice, however often it is "
        "interrupted and run again.",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="redis-stream://HOST:PORT/STREAM | -",
        required=True,
        help="a Redis stream, read by the consumer group ?group=tributary, or JSON Lines with the columns of an events "
        "table (and visitor_id) on standard input",
    )
    add_state(parser, "where to keep them", required=True)
    parser.add_argument(
        "--token-key",
        metavar="@FILE",
        help="the servers' key of attribution tokens (or RECSYS_TOKEN_KEY): events bring them in the column "
        "attribution_token, and one that no server gave out is rejected; without it they are left aside",
    )
    parser.add_argument("--rejects", metavar="FILE", type=Path, help="write rows that are no events here, with reasons")
    parser.add_argument("--follow", action="store_true", help="wait for more when a stream is drained, until stopped")
    parser.set_defaults(func=_ingest)


def _ingest(arguments: argparse.Namespace) -> int:
    if arguments.follow and arguments.source == STDIN:
        raise InputError("--follow takes a stream: standard input is read to its end anyhow")
    from index.ingest import Tally, ingest
    from index.progress import Stages

    request_id_of = _opener(arguments.token_key)
    tally = Tally()
    with Stages() as stages, ExitStack() as open_things:
        # The stream first: a misspelled one must not leave a new state folder behind.
        feed = _feed(arguments, open_things)
        rejects = None
        if arguments.rejects is not None:
            rejects = open_things.enter_context(arguments.rejects.open("w", encoding="utf-8"))
        state = open_things.enter_context(opened(arguments.state, make=True))
        with stages.stage("ingest") as step:
            try:
                ingest(
                    feed,
                    state.events,
                    tally,
                    now_us=lambda: time.time_ns() // 1000,
                    request_id_of=request_id_of,
                    rejects=rejects,
                    advance=_Telling(stages, step, to_log=arguments.follow),
                )
            except (InputError, StateUnavailable, KeyboardInterrupt):
                _tell(tally)
                raise
        held = feed.n_elsewhere()
    _tell(tally)
    if held:
        print(f"{held:,} entries are in the hands of other consumers, or of one that died lately: run it again later")
    if tally.n_read and tally.n_rejected == tally.n_read:
        raise InputError(f"none of {tally.n_read:,} rows is an event")
    return 0


def _opener(token_key: str | None) -> Callable[[str], str | None] | None:
    """What tells the answer of an attribution token; None without a key. InputError where it is none."""
    if token_key is not None and not token_key.startswith("@"):
        raise InputError("--token-key must be @FILE: process lists show what stands on a command line")
    token_key = os.environ.get("RECSYS_TOKEN_KEY") if token_key is None else token_key
    if token_key is None:
        return None
    from recsys.attribution import Attributions
    from recsys.sealing import keys_of
    from recsys.snapshot.signature import key_text

    return Attributions(keys_of(key_text(token_key)), lambda: int(time.time())).request_id_of


class _Telling:
    """Moves the bar, and in a log says how far it is."""

    def __init__(self, stages: Stages, step: Step, *, to_log: bool) -> None:
        self._stages, self._step = stages, step
        self._to_log = to_log and not stages.console.is_terminal

    def __call__(self, n_rows: int) -> None:
        before = self._step.n_rows
        self._step.advance(n_rows)
        if self._to_log and before // _TOLD_EVERY != self._step.n_rows // _TOLD_EVERY:
            self._stages.print(f"{self._step.n_rows:,} rows so far")


def _feed(arguments: argparse.Namespace, open_things: ExitStack) -> Feed:
    from index.feeds import Entries, Lines

    if arguments.source == STDIN:
        return Lines(sys.stdin.buffer)
    from recsys.stores.redis_stream import StreamAddress, StreamReader

    reader = StreamReader.open(StreamAddress.of(arguments.source), make=arguments.follow)
    open_things.callback(reader.close)
    return Entries(reader, follow=arguments.follow)


def _tell(tally: Tally) -> None:
    for line in tally.lines():
        print(line)
