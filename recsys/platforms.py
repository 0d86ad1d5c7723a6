"""Where people are when they do something or ask: an app, the web, a mini-program."""

from __future__ import annotations

from collections.abc import Sequence

# Each has a feature column of its own; rarer ones say as little as none.
MOST_PLATFORMS = 8
UNKNOWN = -1


def platform_spelled(name: str) -> str:
    """``name`` as the tables of a rebuild have it."""
    return name.strip().lower()


def platform_number(name: str, names: Sequence[str]) -> int:
    """The position of ``name`` among ``names``, ``UNKNOWN`` where it is none of them."""
    spelled = platform_spelled(name)
    return names.index(spelled) if spelled in names else UNKNOWN
