"""Rows of events into a state store, in batches, none lost and none twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from index.event_rows import TOKEN, Unusable, event_of
from index.feeds import Feed, Row
from recsys.stores.protocols import EventLog

N_EXAMPLES = 3


@dataclass(slots=True)
class Tally:
    """n_read rows = n_new + n_known (kept before, or of somebody who was erased since) + all rejected · n_unopened:
    events among them whose attribution token nobody could open for want of a key · rejected: reason -> rows · examples:
    reason -> where its first rows stand.
    """

    n_read: int = 0
    n_new: int = 0
    n_known: int = 0
    n_unopened: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def n_rejected(self) -> int:
        """Rows that are no events."""
        return sum(self.rejected.values())

    def lines(self) -> list[str]:
        """Sentences for a person."""
        out = [f"{self.n_read:,} rows read: {self.n_new:,} events are new, {self.n_known:,} were kept before"]
        if self.rejected:
            parts = [f"{why} {n:,} ({', '.join(self.examples[why])})" for why, n in self.rejected.items()]
            out.append(f"{self.n_rejected:,} rows rejected: {', '.join(parts)}")
        if self.n_unopened:
            out.append(
                f"{self.n_unopened:,} events brought an attribution token and are kept without the answer they follow "
                "from: --token-key @FILE, the servers' key, would open and check it"
            )
        return out

    def reject(self, row: Row, reason: str) -> None:
        """Count ``row`` under ``reason``."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < N_EXAMPLES:
            examples.append(row.where)


def ingest(
    feed: Feed,
    log: EventLog,
    tally: Tally,
    *,
    now_us: Callable[[], int],
    request_id_of: Callable[[str], str | None] | None = None,
    rejects: TextIO | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Keep all that ``feed`` brings, counting in ``tally``; ``rejects`` gets the rows that are no events, one a line.

    request_id_of: as ``event_of`` takes it.

    The feed is told that a batch is done after the store has acknowledged it: what is cut off in between comes again,
    and is known by its event_id. StateUnavailable when the store cannot keep a batch; all before it are kept.
    """
    for rows in feed.batches():
        if not rows:
            continue
        events = []
        n_unopened = 0
        refused: list[tuple[Row, str]] = []
        for row in rows:
            try:
                if row.cells is None:
                    raise Unusable(row.reason)
                event = event_of(row.cells, now_us=now_us(), else_us=row.else_us, request_id_of=request_id_of)
                events.append(event)
                n_unopened += request_id_of is None and bool(row.cells.get(TOKEN))
            except Unusable as error:
                refused.append((row, error.reason))
        is_new = log.append(events) if events else []
        if rejects is not None and refused:
            for row, reason in refused:
                told = {"where": row.where, "reason": reason, "row": row.raw.decode("utf-8", "replace")}
                rejects.write(json.dumps(told, ensure_ascii=False) + "\n")
            rejects.flush()
        # Before the feed is told: an interruption in between must not leave out of the account what the store has.
        tally.n_read += len(rows)
        tally.n_new += sum(is_new)
        tally.n_known += len(is_new) - sum(is_new)
        tally.n_unopened += n_unopened
        for row, reason in refused:
            tally.reject(row, reason)
        feed.done(rows)
        advance(len(rows))
