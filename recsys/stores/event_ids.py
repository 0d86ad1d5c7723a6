"""The id of an event that came without one: whoever takes it in, however often, gives it the same."""

from __future__ import annotations

import hashlib
import json
import struct

from recsys.stores.records import LiveEvent

DERIVED = "sha256:"


def derived_event_id(event: LiveEvent) -> str:
    """An id out of all that was given of ``event`` but its own id and the answer it follows from.

    Two events that are alike to the microsecond are one. Quantity and price count as the wire carries them, in single
    precision, and the type however it is spelled (``Add-To Cart`` is ``add_to_cart``), so that what a stream brought
    and what a client sent are known for the same.
    """
    told = [
        event_type_spelled(event.event_type),
        event.time_us,
        event.user_id,
        event.visitor_id,
        event.item_id,
        _single(event.quantity),
        _single(event.price),
        event.currency_code,
        event.session_id,
        event.query,
        event.platform,
        None if event.value is None else float(event.value),
    ]
    raw = json.dumps(told, ensure_ascii=True, separators=(",", ":")).encode()
    return DERIVED + hashlib.sha256(raw).hexdigest()


def is_derived(event_id: str) -> bool:
    """Whether ``event_id`` is one of ours, and not the caller's."""
    return event_id.startswith(DERIVED)


def event_type_spelled(event_type: str) -> str:
    """An event type as the offline path spells it."""
    return event_type.strip().lower().replace("-", "_").replace(" ", "_")


def _single(value: float | None) -> float | None:
    if value is None:
        return None
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return float(value)
