"""64-bit digests of ids, for indexes that hold no text: who looks one up compares the text of what it finds."""

from __future__ import annotations

from hashlib import blake2b


def event_key(event_id: str) -> int:
    """Of an event."""
    return _digest(f"event\0{event_id}")


def user_key(user_id: str) -> int:
    """Of a user."""
    return _digest(f"user\0{user_id}")


def visitor_key(visitor_id: str) -> int:
    """Of a visitor."""
    return _digest(f"visitor\0{visitor_id}")


def owner_key(user_id: str, visitor_id: str) -> int:
    """Of the user or, without one, of the visitor."""
    return user_key(user_id) if user_id else visitor_key(visitor_id)


def device_key(user_id: str, visitor_id: str) -> int | None:
    """Of the visitor where there is a user too, so that the owner is another; None else."""
    return visitor_key(visitor_id) if user_id and visitor_id else None


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)
