"""Golden questions on disk: what a snapshot is asked when it is loaded, and the answers it had when it was written."""

from __future__ import annotations

from recsys.ask import Ask
from recsys.errors import SnapshotCorrupt


def to_json(ask: Ask, answer: tuple[str, ...]) -> dict[str, object]:
    """The question and the ids of its answer, best first, as golden.json keeps them."""
    return {
        "at": ask.at,
        "user_id": ask.user_id,
        "serving_config": ask.serving_config,
        "limit": ask.limit,
        "items": list(answer),
    }


def of_json(entry: dict[str, object]) -> tuple[Ask, tuple[str, ...]]:
    """What ``to_json`` kept. SnapshotCorrupt on anything else."""
    try:
        ask = Ask(
            at=int(str(entry["at"])),
            user_id=str(entry["user_id"]),
            serving_config=str(entry["serving_config"]),
            limit=int(str(entry["limit"])),
        )
        items = entry["items"]
        assert isinstance(items, list)
    except (KeyError, ValueError, AssertionError) as error:
        raise SnapshotCorrupt("golden.json is not a list of golden queries") from error
    return ask, tuple(str(item) for item in items)
