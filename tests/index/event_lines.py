"""Events as rows of JSON Lines."""

from __future__ import annotations

import json
from typing import Any

AT = 1_700_000_000


def row(n: int, **more: Any) -> dict[str, Any]:
    return {"user_id": f"u{n % 7}", "item_id": f"i{n % 5}", "event_type": "view", "timestamp": AT + n, **more}


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in rows).encode()
