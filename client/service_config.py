"""The service config that ships with the package: how long each method may take and when it is tried again.

``service_config.json`` is plain gRPC, good for clients in any language. Methods that only read, and changes
that are harmless when they are made twice, are tried again on UNAVAILABLE, by gRPC itself (AIP-194); a health check is
not, for it asks about this very moment.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def shipped() -> dict[str, Any]:
    """The parsed file; not to be changed."""
    config: dict[str, Any] = json.loads((files("client") / "service_config.json").read_text(encoding="utf-8"))
    return config


def timeout_s(service: str, method: str) -> float:
    """The deadline of ``method``. LookupError when the file names none: a call without one might never end."""
    for entry in shipped()["methodConfig"]:
        if {"service": service, "method": method} in entry["name"]:
            return float(entry["timeout"].removesuffix("s"))
    raise LookupError(f"service_config.json has no deadline for {service}/{method}")


def for_channel() -> str:
    """The config as JSON without its deadlines, for a channel whose every call brings its own.

    gRPC takes the shorter of the two, so a caller who gives a call more time would not get it. Besides, gRPC's C core,
    and Python with it, ends calls too early by the file's deadlines (grpc/grpc#40633): of 2 s it leaves about one.
    """
    entries = [{key: entry[key] for key in entry if key != "timeout"} for entry in shipped()["methodConfig"]]
    return json.dumps({**shipped(), "methodConfig": entries})
