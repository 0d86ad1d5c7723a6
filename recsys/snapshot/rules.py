"""What each field of a manifest must be: nothing read from disk is believed before it passed here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from recsys.serving import ServingConfig
from recsys.snapshot.canonical import canonical
from recsys.snapshot.checksums import is_relative_name

_VERSION = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_version(text: object) -> bool:
    """Whether ``text`` has the form of a version; one that has cannot name anything outside the snapshot folder."""
    return isinstance(text, str) and _VERSION.fullmatch(text) is not None


def broken_rule(values: Mapping[str, Any], unlisted: tuple[str, ...]) -> str | None:
    """What is wrong with a parsed manifest, as the end of a sentence; None when nothing is.

    unlisted: names that must not be among the listed files.
    """
    if missing := sorted(set(FIELDS) - set(values)):
        return f"lacks the field {missing[0]}"
    if unknown := sorted(set(values) - set(FIELDS)):
        return f"has an unknown field {unknown[0]!r}"
    for name, is_valid in FIELDS.items():
        if not is_valid(values[name]):
            return f"has no valid {name}"
    if values["event_window_start"] > values["event_window_end"]:
        return "has an event window that ends before it starts"
    if listed := sorted(set(unlisted) & set(values["files"])):
        return f"lists {listed[0]}"
    return None


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_int(value) and value >= 0


def _is_epoch(value: Any) -> bool:
    # What datetime can hold, years 1 to 9999: nobody who prints a manifest need think of more.
    return _is_int(value) and -62_135_596_800 <= value <= 253_402_300_799


def _is_number_or_none(value: Any) -> bool:
    return value is None or _is_int(value) or (isinstance(value, float) and math.isfinite(value))


def _is_utc(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).utcoffset() == timedelta(0)
    except ValueError:
        return False


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) and text for text in value)


def _is_names(value: Any) -> bool:
    return _is_texts(value) and len(set(value)) == len(value)


def _is_gate(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"name", "value", "limit", "passed"}
        and isinstance(value["name"], str)
        and _is_number_or_none(value["value"])
        and _is_number_or_none(value["limit"])
        and isinstance(value["passed"], bool)
    )


def _is_serving_configs(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    try:
        # Written again, a config must come out as it was: a field this code does not know would be lost in silence.
        again = {config.name: config.to_json() for config in map(ServingConfig.from_json, value.values())}
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return canonical(again) == canonical(value)


def _is_file(name: object, value: object) -> bool:
    return (
        is_relative_name(name)
        and isinstance(value, dict)
        and set(value) == {"sha256", "bytes"}
        and isinstance(value["sha256"], str)
        and _SHA256.fullmatch(value["sha256"]) is not None
        and _is_count(value["bytes"])
    )


FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "schema": _is_int,
    "version": is_version,
    "built_at": _is_utc,
    "event_window_start": _is_epoch,
    "event_window_end": _is_epoch,
    "seed": _is_int,
    "config": lambda value: isinstance(value, dict),
    "features": _is_names,
    "packages": lambda value: isinstance(value, dict) and _is_texts(list(value.values())),
    "gates": lambda value: isinstance(value, list) and all(map(_is_gate, value)),
    "serving_configs": _is_serving_configs,
    "n_users": _is_count,
    "n_items": _is_count,
    "n_events": _is_count,
    "sources": _is_names,
    "files": lambda value: isinstance(value, dict) and all(_is_file(name, file) for name, file in value.items()),
}
