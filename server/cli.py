"""``recsys-server``: settings, the port, then the supervisor; ``recsys-server token`` makes a token."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from recsys.errors import InputError
from recsys.sealing import keys_of, new_key
from recsys.snapshot.signature import key_text, verify_key
from server import token_command
from server.scratch import scratch
from server.settings import Settings, parse_process
from server.supervisor import Supervisor, reserved
from server.tls import read_identity
from server.tokens import read_tokens


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; 0 after a graceful stop, 2 on settings that cannot work."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments and arguments[0] == "token":
            return token_command.run(arguments[1:])
        settings = parse_process(arguments)
        _check_files(settings)
        # Read once: workers that start later must not find another key in the file.
        token_key = key_text(settings.token_key) if settings.token_key else new_key()
        keys_of(token_key)
        keeper = reserved(settings.host, settings.port)
    except InputError as error:
        print(f"recsys-server: {error}", file=sys.stderr)
        return 2
    with keeper:
        settings = settings.at_port(keeper.getsockname()[1])
        for line in settings.lines():
            _say(line)
        if not settings.snapshots.is_dir():
            _say(f"snapshot folder {settings.snapshots} does not exist: calls fail until a rebuild publishes there")
        with ExitStack() as ends:
            settings = _with_scratch(settings.sealed_with(token_key), ends)
            return Supervisor(settings, say=_say).run()


def _with_scratch(settings: Settings, ends: ExitStack) -> Settings:
    """With a folder of its own, gone in the end, where live events are to be counted."""
    if not settings.state or settings.statistics_s is None:
        return settings
    try:
        return settings.with_scratch(ends.enter_context(scratch()))
    except (OSError, InputError) as error:
        _say(f"item statistics stay as the snapshot has them: there can be no temporary folder: {error}")
        return settings


def _check_files(settings: Settings) -> None:
    """Look at the folder and read keys, certificates and tokens once: what is wrong is said here, not by workers."""
    if settings.snapshots.exists() and not settings.snapshots.is_dir():
        raise InputError(f"--snapshots {settings.snapshots} must be a folder")
    folder = None if "://" in settings.state or not settings.state else Path(settings.state)
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError(f"--state {folder} must be a folder")
    if settings.log_slates and not settings.state:
        raise InputError("--log-slates needs --state, where slates are kept")
    if settings.verify_key:
        verify_key(key_text(settings.verify_key))
    if settings.tls:
        read_identity(settings.tls)
    if settings.tokens:
        read_tokens(settings.tokens)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
