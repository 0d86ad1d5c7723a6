"""``recsys-server token``: makes a bearer token. It is shown once; the server's file gets its hash."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from recsys.errors import InputError
from server.tokens import Caller, Role, line_of, new_token, roles_of


def run(arguments: Sequence[str]) -> int:
    """Print the file's line on stdout and the token on stderr; InputError on a bad role or name."""
    options = _parser().parse_args(arguments)
    name = " ".join(options.name.split())
    if not name or not name.isprintable():
        raise InputError("--name must be readable text on one line")
    caller = Caller(name, roles_of(options.roles, "--roles"))
    token = new_token()
    print(line_of(token, caller), flush=True)
    print(f"token for {caller.name}, shown this once: {token}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recsys-server token",
        description="Make a bearer token. Its line for the file of --tokens goes to standard output, "
        "the token itself, once, to standard error: recsys-server token --roles recommend --name shop >> tokens",
    )
    parser.add_argument(
        "--roles",
        metavar="ROLE[,ROLE]",
        required=True,
        help=f"{', '.join(Role)}; admin includes all, others only themselves",
    )
    parser.add_argument("--name", metavar="NAME", required=True, help="who gets it; appears in the server's log")
    return parser
