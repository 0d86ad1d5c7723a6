"""Attribution tokens: what an answer rested on, sealed into it, so that events can carry it back unforged.

It names no user: who took what stands in the event that brings the token back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple, dataclass

from recsys.sealing import Keys, Seal

PURPOSE = "attribution token 1"
LONGEST_ATTRIBUTION_TOKEN = 1024


@dataclass(frozen=True, slots=True)
class Attribution:
    """One answer: its snapshot, serving config, request id, time (epoch seconds) and ``ServedBy``."""

    snapshot_version: str
    serving_config: str
    request_id: str
    answered_at: int
    served_by: int


class Attributions:
    """Gives out attribution tokens and opens them; ``now`` is the time in epoch seconds."""

    def __init__(self, keys: Keys, now: Callable[[], int]) -> None:
        self._seal = Seal(keys, PURPOSE)
        self._now = now

    def issue(self, *, snapshot_version: str, serving_config: str, request_id: str, served_by: int) -> str:
        """A token of at most ``LONGEST_ATTRIBUTION_TOKEN`` characters."""
        attribution = Attribution(snapshot_version, serving_config, request_id, self._now(), served_by)
        return self._seal.sealed(json.dumps(astuple(attribution), ensure_ascii=False).encode())

    def opened(self, token: str) -> Attribution | None:
        """What ``issue`` put into ``token``, however long ago; None when it is not of this key, or was changed."""
        payload = self._seal.opened(token) if len(token) <= LONGEST_ATTRIBUTION_TOKEN else None
        return None if payload is None else Attribution(*json.loads(payload))

    def request_id_of(self, token: str) -> str | None:
        """The request id of the answer that ``token`` came with; None where ``opened`` says None."""
        attribution = self.opened(token)
        return None if attribution is None else attribution.request_id
