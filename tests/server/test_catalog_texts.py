"""New items over the wire: an encoder reads their texts, now, later or for another server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from protos.recommender.v1 import recommendation_service_pb2 as pb

from .catalog_shop import KETTLE, PATIENCE_S, shop_at
from .paged import AT, ids
from .text_encoders import ToyEncoder, running
from .tiny_shop import publish_searchable

Listen = Callable[..., str]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("searchable")
    publish_searchable(root)
    return root


def test_a_new_item_is_found_by_its_meaning_within_two_seconds_on_every_server(
    root: Path, tmp_path: Path, listen: Listen
) -> None:
    encoder = ToyEncoder()
    with running(encoder) as address:
        state = str(tmp_path / "state")
        for one, other in zip(
            shop_at(listen(root, state=state, encoder=address)),
            shop_at(listen(root, state=state, encoder=address)),
            strict=True,
        ):
            # What its words do not say: the toy encoder knows shelves in Chinese too.
            query, started = "2号架上的东西", monotonic()
            one.upsert(KETTLE)
            for shop in (one, other):
                while KETTLE.item_id not in shop.found(query, page_size=20):
                    assert monotonic() - started < PATIENCE_S
            took_s = monotonic() - started
            assert took_s < PATIENCE_S
            similar = other.answers.SimilarItems(pb.SimilarItemsRequest(item_id=KETTLE.item_id, at=AT, page_size=5))
            assert set(ids(similar)) <= {f"1-i{place:02d}" for place in range(2, 60, 4)}


def test_an_encoder_that_comes_later_finds_what_waits_for_it(root: Path, tmp_path: Path, listen: Listen) -> None:
    address = f"unix:{tmp_path}/encoder"
    for shop in shop_at(listen(root, state=str(tmp_path / "state"), encoder=address)):
        shop.upsert(KETTLE)
        assert shop.found("kettle") == [KETTLE.item_id]
        with running(ToyEncoder(), address):
            started = monotonic()
            while KETTLE.item_id not in shop.found("2号架上的东西", page_size=20):
                assert monotonic() - started < PATIENCE_S


def test_a_server_that_starts_later_knows_all_and_asks_no_encoder_for_what_is_kept(
    root: Path, tmp_path: Path, listen: Listen
) -> None:
    state = str(tmp_path / "state")
    with running(ToyEncoder()) as address:
        for shop in shop_at(listen(root, state=state, encoder=address)):
            shop.upsert(KETTLE)
            started = monotonic()
            while not ids(shop.answers.SimilarItems(pb.SimilarItemsRequest(item_id=KETTLE.item_id, at=AT))):
                assert monotonic() - started < PATIENCE_S
    for shop in shop_at(listen(root, state=state)):
        started = monotonic()
        while not ids(shop.answers.SimilarItems(pb.SimilarItemsRequest(item_id=KETTLE.item_id, at=AT))):
            assert monotonic() - started < PATIENCE_S
        assert KETTLE.item_id in shop.shown()
