"""JSON with one spelling: equal values give equal bytes, so that bytes can be hashed and signed."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def canonical(value: Any) -> bytes:
    """``value`` as UTF-8 JSON with sorted keys and a final newline, one field a line for people to read.

    ValueError on NaN or infinity, TypeError on what JSON has no word for.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    return (text + "\n").encode("utf-8")


def parsed(raw: bytes) -> Any:
    """The value of any JSON document in ``raw``. ValueError when it is not JSON, or holds NaN or infinity."""
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
