"""Values of settings, out of the text of flags and variables: InputError in one sentence on a bad one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from recsys.errors import InputError

MASK = "********"
OFF = "off"
STATE_SCHEMES = ("redis", "rediss")
_PASSWORDS = re.compile(r"(?<=://)([^/:@]*:).*(?=@)|([?&]password=)[^&]*")


def address(name: str, value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise InputError(f"{name} must be HOST:PORT with a port of 0 to 65535, got {value!r}")
    return host, int(port)


def encoder(value: str) -> str:
    if value.startswith("unix:"):
        if value == "unix:":
            raise InputError("--encoder unix: lacks the path of a socket")
    elif value and address("--encoder", value)[1] == 0:
        raise InputError(f"--encoder must have the port that the encoder listens on, got {value!r}")
    return value


def cache(value: str | None, environment: Mapping[str, str]) -> Path | None:
    """The folder of compiled rankers; None when it is switched off, or when this user has no home to keep it in."""
    if value is not None:
        return None if value in ("", OFF) else Path(value).absolute()
    try:
        home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
    except RuntimeError:
        return None
    return Path(home).absolute() / "tributary" / "forests"


def file(value: str | None) -> Path | None:
    """A file's path, with or without an @ before it; an empty variable names none."""
    name = (value or "").removeprefix("@")
    return Path(name).absolute() if name else None


def number(name: str, value: str | None, *, default: int, lowest: int, highest: int) -> int:
    if value is None:
        return default
    if not value.isdecimal() or not lowest <= int(value) <= highest:
        raise InputError(f"{name} must be a whole number from {lowest} to {highest}, got {value!r}")
    return int(value)


def seconds(name: str, value: str | None, *, default: float, lowest: float) -> float:
    try:
        seconds = default if value is None else float(value)
    except ValueError:
        seconds = -1.0
    if not lowest <= seconds <= 86_400:
        raise InputError(f"{name} must be {lowest} to 86400 seconds, got {value!r}")
    return seconds


def seconds_or_off(name: str, value: str | None, *, default: float, lowest: float) -> float | None:
    if value == OFF:
        return None
    try:
        return seconds(name, value, default=default, lowest=lowest)
    except InputError:
        raise InputError(f"{name} must be {lowest} to 86400 seconds, or off, got {value!r}") from None


def milliseconds(name: str, value: str | None) -> float | None:
    if value is None or value == OFF:
        return None
    try:
        milliseconds = float(value)
    except ValueError:
        milliseconds = -1.0
    if not 0 <= milliseconds <= 60_000:
        raise InputError(f"{name} must be 0 to 60000 milliseconds, or off, got {value!r}")
    return milliseconds


def choice(name: str, value: str | None, choices: tuple[str, ...]) -> str:
    if value is None:
        return choices[0]
    if value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


def switch(name: str, value: str | None, *, default: bool) -> bool:
    if value is None:
        return default
    if value not in ("on", "off"):
        raise InputError(f"{name} must be on or off, got {value!r}")
    return value == "on"


def masked(secret: str) -> str:
    """A file's name is no secret; a key is."""
    return secret if not secret or secret.startswith("@") else MASK


def share(name: str, value: str | None) -> float:
    try:
        part = 0.0 if value is None else float(value)
    except ValueError:
        part = -1.0
    if not 0 <= part <= 1:
        raise InputError(f"{name} must be 0 to 1, got {value!r}")
    return part


def state(value: str) -> str:
    """A folder's absolute path, or a URL as it is."""
    scheme, separator, _ = value.partition("://")
    if separator and scheme not in STATE_SCHEMES:
        raise InputError(f"--state must be a folder or a URL of {', '.join(STATE_SCHEMES)}, got one of {scheme!r}")
    return value if separator or not value else str(Path(value).absolute())


def masked_url(value: str) -> str:
    """``value`` without the passwords in it."""
    return _PASSWORDS.sub(lambda found: f"{found[1] or found[2]}{MASK}", value)
