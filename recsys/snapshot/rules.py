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
from recsys.snapshot.choices import FusionChoice, SourceChoice

_VERSION = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_version(text: object) -> bool:
    """Whether ``text`` has the form of a version; one that has cannot name anything outside the snapshot folder."""
    return isinstance(text, str) and _VERSION.fullmatch(text) is not None


def broken_rule(values: Mapping[str, Any], unlisted: tuple[str, ...]) -> str | None:
    """What is wrong with a parsed manifest, as the end of a sentence; None when nothing is.

    unlisted: names that must not be among the listed files.
    """
    fields = fields_of(values.get("schema"))
    if missing := sorted(set(fields) - set(values)):
        return f"lacks the field {missing[0]}"
    if unknown := sorted(set(values) - set(fields)):
        return f"has an unknown field {unknown[0]!r}"
    for name, is_valid in fields.items():
        if not is_valid(values[name]):
            return f"has no valid {name}"
    if values["event_window_start"] > values["event_window_end"]:
        return "has an event window that ends before it starts"
    if listed := sorted(set(unlisted) & set(values["files"])):
        return f"lists {listed[0]}"
    return None


def fields_of(schema: object) -> Mapping[str, Callable[[Any], bool]]:
    """The fields of a manifest of ``schema``, each with what tells a valid value."""
    if schema == 2:
        return {name: is_valid for name, is_valid in FIELDS.items() if name not in SINCE_3}
    return FIELDS


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
    return isinstance(value, dict) and _comes_out(
        value, lambda: {one.name: one.to_json() for one in map(ServingConfig.from_json, value.values())}
    )


def _is_source_choices(value: object) -> bool:
    return isinstance(value, list) and _comes_out(value, lambda: [SourceChoice.from_json(v).to_json() for v in value])


def _is_fusion_choices(value: object) -> bool:
    return isinstance(value, dict) and _comes_out(
        value, lambda: {name: FusionChoice.from_json(v).to_json() for name, v in value.items()}
    )


def _comes_out(value: Any, again: Callable[[], Any]) -> bool:
    """Whether what was read and is written ``again`` is the same: a field this code does not know would be lost."""
    try:
        return canonical(again()) == canonical(value)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return False


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
    "source_choices": _is_source_choices,
    "fusion_choices": _is_fusion_choices,
    "selected_at": lambda value: value is None or _is_epoch(value),
    "files": lambda value: isinstance(value, dict) and all(_is_file(name, file) for name, file in value.items()),
}
# What snapshots of schema 2 do not say.
SINCE_3 = frozenset({"source_choices", "fusion_choices", "selected_at"})
