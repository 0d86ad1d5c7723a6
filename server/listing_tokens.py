"""Page tokens of listings: where the next page begins, in a form that invites nobody to build one."""

from __future__ import annotations

import base64
import binascii

from recsys.errors import InvalidRequest, Violation
from recsys.snapshot.rules import is_version


def users_token(version: str, position: int) -> str:
    """For the users of snapshot ``version`` from ``position`` on."""
    return _encoded(f"{version} {position}")


def users_position(token: str, version: str) -> int:
    """The position that ``users_token`` was given. InvalidRequest when it is no such token or of another version."""
    named, _, position = _decoded(token).rpartition(" ")
    if not named or not position.isascii() or not position.isdecimal():
        raise _not_ours("ListUserIds")
    if named != version:
        description = f"page_token belongs to snapshot {named}, but {version} is being served: start again"
        raise InvalidRequest([Violation("page_token", description)])
    return int(position)


def snapshots_token(last: str) -> str:
    """For the snapshots older than version ``last``."""
    return _encoded(f"older {last}")


def snapshots_last(token: str) -> str:
    """The version that ``snapshots_token`` was given. InvalidRequest when it is no such token."""
    word, _, last = _decoded(token).partition(" ")
    if word != "older" or not is_version(last):
        raise _not_ours("ListSnapshots")
    return last


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decoded(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        return ""


def _not_ours(method: str) -> InvalidRequest:
    return InvalidRequest([Violation("page_token", f"page_token must be one that {method} returned")])
