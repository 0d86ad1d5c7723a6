"""The shop with its changes laid over it, and the same shop built anew."""

from __future__ import annotations

import pytest

from recsys.model import Snapshot
from recsys.overlay.overlay import Basis

from .changed_shop import CHANGED, NEW, changed_things, changes
from .shop import built, things, vectors_of


@pytest.fixture(scope="session")
def laid_over() -> Snapshot:
    now = changed_things()
    found = Basis(built(things())).over(changes(), vectors_of(*NEW, *(now[place] for place in CHANGED)))
    assert not found.waiting
    return found.snapshot


@pytest.fixture(scope="session")
def anew() -> Snapshot:
    return built([*changed_things(), *NEW])
