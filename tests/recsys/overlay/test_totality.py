"""Every kind of source that a snapshot can hold is laid over."""

from __future__ import annotations

from recsys.overlay.sources import OVER
from recsys.sources.stored import READERS


def test_every_stored_kind_of_source_says_what_new_items_are_to_it() -> None:
    assert {kind.__name__ for kind in OVER} == set(READERS)
