"""Readers of values in a recsys.toml: each gives what is meant or one sentence that names the key."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from recsys.errors import InputError

# Of a value and its dotted name. InputError when the value is not allowed.
Reader = Callable[[Any, str], Any]


def section(cls: Callable[..., Any], values: Any, name: str, readers: Mapping[str, Reader]) -> Any:
    """``cls`` of a table's values, each by the reader of its key. InputError for an unknown key."""
    if not isinstance(values, Mapping):
        raise InputError(f"{name} must be a table, got {values!r}")
    prefix = f"{name}." if name else ""
    for key in values:
        if key not in readers:
            raise InputError(f"unknown key {prefix}{key}; allowed are {', '.join(readers)}")
    return cls(**{key: readers[key](value, f"{prefix}{key}") for key, value in values.items()})


def table(cls: Callable[..., Any], **readers: Reader) -> Reader:
    """A table with the keys of ``readers``."""
    return lambda values, name: section(cls, values, name, readers)


def text(value: Any, name: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{name} must be a text that is not empty, got {value!r}")
    return value


def texts(value: Any, name: str) -> tuple[str, ...]:
    """A list of texts; what comes twice counts once."""
    if not isinstance(value, list):
        raise InputError(f"{name} must be a list of texts, got {value!r}")
    return tuple(dict.fromkeys(text(one, f"{name}[{position}]") for position, one in enumerate(value)))


def some_of(allowed: tuple[str, ...]) -> Reader:
    """A list of some of ``allowed``."""

    def read(value: Any, name: str) -> tuple[str, ...]:
        for one in (found := texts(value, name)):
            if one not in allowed:
                raise InputError(f"{name} has {one!r}; allowed are {', '.join(allowed)}")
        return found

    return read


def one_of(allowed: tuple[str, ...]) -> Reader:
    """One of ``allowed``."""

    def read(value: Any, name: str) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise InputError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        return value

    return read


def number(low: float = -math.inf, high: float = math.inf) -> Reader:
    """A finite number within bounds."""

    def read(value: Any, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise InputError(f"{name} must be a number{_span(low, high)}, got {value!r}")
        if not math.isfinite(value):
            raise InputError(f"{name} must be finite, got {value!r}")
        return float(value)

    return read


def whole(low: int, high: int) -> Reader:
    """A whole number within bounds."""

    def read(value: Any, name: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"{name} must be a whole number{_span(low, high)}, got {value!r}")
        return value

    return read


def _span(low: float, high: float) -> str:
    if math.isinf(low):
        return ""
    return f" of at least {low:g}" if math.isinf(high) else f" from {low:g} to {high:g}"
