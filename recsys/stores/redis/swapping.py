"""Reading records, changing them here, and putting them back only where nobody else changed them meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recsys.errors import StateUnavailable
from recsys.stores.redis import scripts
from recsys.stores.redis.connection import PREFIX, Argument, Server

_TRIES = 100


@dataclass(frozen=True, slots=True)
class Swap:
    """A record as it shall be; of an item: since when inventory is held for it, and whether it gets a new version."""

    record: bytes
    held_us: int | None = None
    is_new_version: bool = False


def swapped(
    server: Server,
    kind: str,
    ids: Sequence[str],
    change: Callable[[bytes, int], Swap | None],
    *,
    forget_held_before: int | None = None,
) -> list[Swap | None]:
    """What ``change``, given each record (b"" for none) and its place among ``ids``, made of ``kind``: all at once.

    An id that comes twice finds what its first change made of it. StateUnavailable where others are always faster.
    """
    distinct = list(dict.fromkeys(ids))
    for _ in range(_TRIES):
        read = [text or b"" for text in server.command("HMGET", f"{PREFIX}{kind}", *distinct)]
        before = dict(zip(distinct, read, strict=True))
        now, made = dict(before), list[Swap | None]()
        changed: dict[str, Swap] = {}
        for index, id in enumerate(ids):
            swap = change(now[id], index)
            made.append(swap)
            if swap is not None:
                now[id] = swap.record
                changed[id] = swap
        if not changed:
            return made
        arguments: list[Argument] = [kind, "" if forget_held_before is None else forget_held_before]
        for id, swap in changed.items():
            held = "" if swap.held_us is None else swap.held_us
            arguments += (id, before[id], swap.record, held, int(swap.is_new_version))
        if server.write(scripts.SWAP, arguments):
            return made
    raise StateUnavailable(f"{server.name}: others changed the same {kind} {_TRIES} times meanwhile")
