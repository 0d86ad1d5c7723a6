"""Who may call: bearer tokens, of which only hashes are kept, and the roles they carry.

A file holds one ``sha256-hex role[,role] name`` a line; blank lines and lines that begin with # mean nothing. Plain
SHA-256 is enough because a token is 256 random bits: there is nothing to guess, and a call must cost microseconds.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from recsys.errors import InputError

_HASH = re.compile(r"[0-9a-f]{64}")
_TOKEN_BYTES = 32


class Role(StrEnum):
    """What a token may do. ADMIN includes the others; WRITE does not include RECOMMEND, so list both for both."""

    RECOMMEND = "recommend"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a token: its ``name`` in logs, and its roles."""

    name: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        """Whether this caller has ``role``, by itself or by being admin."""
        return role in self.roles or Role.ADMIN in self.roles


@dataclass(frozen=True, slots=True)
class Tokens:
    """All tokens of a file, as pairs of a SHA-256 (32 bytes) and whom it belongs to."""

    callers: tuple[tuple[bytes, Caller], ...]

    def caller(self, token: str) -> Caller | None:
        """Whom ``token`` belongs to; takes the same time wherever it differs, and whichever it is."""
        wanted = digest_of(token)
        found = None
        for digest, caller in self.callers:
            if hmac.compare_digest(digest, wanted):
                found = caller
        return found


def digest_of(token: str) -> bytes:
    """The SHA-256 of a token, 32 bytes: all that is ever kept of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def new_token() -> str:
    """A token nobody has had before: 43 characters, 256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def line_of(token: str, caller: Caller) -> str:
    """The line that admits ``token`` when it stands in a file of tokens."""
    roles = ",".join(role for role in Role if role in caller.roles)
    return f"{digest_of(token).hex()} {roles} {caller.name}"


def read_tokens(path: Path) -> Tokens:
    """The tokens of a file; one without any lets nobody in. InputError naming the line, never quoting it."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"--tokens {path} cannot be read: {reason}") from error
    callers: dict[bytes, Caller] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        digest, caller = _parsed(line, f"--tokens {path} line {number}")
        if digest in callers:
            raise InputError(f"--tokens {path} line {number} repeats the token of an earlier line")
        callers[digest] = caller
    return Tokens(tuple(callers.items()))


def roles_of(text: str, where: str) -> frozenset[Role]:
    """The roles of ``recommend,write``; InputError naming ``where``."""
    try:
        return frozenset(Role(role) for role in text.split(","))
    except ValueError:
        raise InputError(f"{where} must name roles among {', '.join(Role)}, separated by commas only") from None


def _parsed(line: str, where: str) -> tuple[bytes, Caller]:
    # What stands on a wrong line may be a token in clear: it is never repeated.
    digest, roles, name = [*line.split(maxsplit=2), "", "", ""][:3]
    if not _HASH.fullmatch(digest):
        raise InputError(f"{where} must begin with the SHA-256 of a token: 64 lower-case hex digits")
    if not name.strip():
        raise InputError(f"{where} must be sha256-hex role[,role] name")
    return bytes.fromhex(digest), Caller(name.strip(), roles_of(roles, where))
