"""Events between the wire and the stores: what they mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from protos.recommender.v1.event_pb2 import Event
from recsys.errors import InvalidRequest, Violation
from recsys.recent import SECOND_US
from recsys.stores.event_ids import derived_event_id
from recsys.stores.records import LiveEvent
from server.rules import WRITTEN_EVENT, of_event


def live_event(name: str, event: Event, *, now_us: int, request_id_of: Callable[[str], str | None]) -> LiveEvent:
    """What to keep of the event at path ``name`` of the request; without a timestamp it is of ``now_us``.

    request_id_of: the answer that an attribution token stands for, None for a token that was never given out.
    InvalidRequest with every broken rule.
    """
    broken = list(of_event(name, event, WRITTEN_EVENT))
    if not event.user_id and not event.visitor_id:
        broken.append(Violation(f"{name}.user_id", f"{name}.user_id must not be empty where visitor_id is"))
    request_id: str | None = ""
    if event.attribution_token:
        request_id = request_id_of(event.attribution_token)
        if request_id is None:
            path = f"{name}.attribution_token"
            broken.append(Violation(path, f"{path} must be one that this server returned, unchanged"))
    if broken:
        raise InvalidRequest(broken)
    kept = LiveEvent(
        event_id=event.event_id,
        event_type=event.event_type,
        time_us=_microseconds(event) if event.HasField("timestamp") else now_us,
        user_id=event.user_id,
        visitor_id=event.visitor_id,
        item_id=event.item_id,
        quantity=event.quantity if event.HasField("quantity") else None,
        price=event.price if event.HasField("price") else None,
        currency_code=event.currency_code,
        session_id=event.session_id,
        query=event.query,
        platform=event.platform,
        value=event.value if event.HasField("value") else None,
        request_id=request_id or "",
    )
    return kept if kept.event_id else replace(kept, event_id=derived_event_id(kept))


def _microseconds(event: Event) -> int:
    return event.timestamp.seconds * SECOND_US + event.timestamp.nanos // 1000
