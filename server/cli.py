"""``recsys-server``: settings, the port, then the supervisor."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from recsys.errors import InputError
from recsys.snapshot.signature import key_text, verify_key
from server.settings import parse_process
from server.supervisor import Supervisor, reserved


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; 0 after a graceful stop, 2 on settings that cannot work."""
    try:
        settings = parse_process(sys.argv[1:] if arguments is None else arguments)
        if settings.verify_key:
            verify_key(key_text(settings.verify_key))
        keeper = reserved(settings.host, settings.port)
    except InputError as error:
        print(f"recsys-server: {error}", file=sys.stderr)
        return 2
    with keeper:
        settings = settings.at_port(keeper.getsockname()[1])
        for line in settings.lines():
            _say(line)
        return Supervisor(settings, say=_say).run()


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
