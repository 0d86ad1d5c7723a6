"""The server's end of the encoder: what it remembers, how long it waits, and what it makes of failures."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter, sleep

import grpc
import numpy as np
import pytest

from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore
from server.text_encoder import (
    MOST_REMEMBERED,
    NO_MEANINGS,
    NOT_CONFIGURED,
    OTHER_MODEL,
    REST_S,
    UNAVAILABLE,
    Meanings,
    TextEncoder,
)

from .bare_server import StandingClock
from .text_encoders import MODEL, WIDTH, ToyEncoder, broken, running
from .tiny_shop import publish_searchable, tiny_snapshot


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    root = tmp_path_factory.mktemp("searchable")
    version = publish_searchable(root, model=MODEL)
    return Snapshot.read(SnapshotStore(root).open(version))


def test_vectors_come_as_the_encoder_made_them(shop: Snapshot) -> None:
    toy = ToyEncoder()
    with running(toy) as address:
        found = TextEncoder(address).meanings(["shelf 1", "shelf 3", "shelf 1"], shop, None)

    assert found.degraded == ""
    assert toy.asked == [["shelf 1", "shelf 3"]]
    for text, vector in found.vectors.items():
        np.testing.assert_array_equal(vector, ToyEncoder().encode([text])[0])


def test_a_socket_in_the_file_system_will_do(shop: Snapshot, tmp_path: Path) -> None:
    with running(ToyEncoder(), f"unix:{tmp_path}/encoder") as address:
        assert TextEncoder(address).meanings(["shelf 1"], shop, None).vectors


def test_what_was_encoded_is_remembered_while_the_encoder_is_away(shop: Snapshot) -> None:
    with running(ToyEncoder()) as address:
        encoder = TextEncoder(address)
        first = encoder.meanings(["shelf 1"], shop, None)

    again = encoder.meanings(["shelf 1"], shop, None)
    np.testing.assert_array_equal(again.vectors["shelf 1"], first.vectors["shelf 1"])
    assert encoder.meanings(["shelf 1", "shelf 2"], shop, None) == Meanings(degraded=UNAVAILABLE)


def test_memory_is_bounded_and_the_oldest_goes_first(shop: Snapshot) -> None:
    toy = ToyEncoder()
    with running(toy) as address:
        encoder = TextEncoder(address)
        for start in range(0, MOST_REMEMBERED + 256, 256):
            encoder.meanings([f"text {n}" for n in range(start, start + 256)], shop, None)
        toy.asked.clear()
        encoder.meanings([f"text {MOST_REMEMBERED}", "text 0"], shop, None)

    assert toy.asked == [["text 0"]]


def test_nothing_is_asked_without_texts_in_the_snapshot_or_without_a_text(shop: Snapshot) -> None:
    toy = ToyEncoder()
    with running(toy) as address:
        encoder = TextEncoder(address)
        assert encoder.meanings([], shop, None) is NO_MEANINGS
        assert encoder.meanings(["shelf 1"], tiny_snapshot(1), None) is NO_MEANINGS
    assert toy.asked == []
    assert TextEncoder(None).meanings(["shelf 1"], shop, None) == Meanings(degraded=NOT_CONFIGURED)


def test_another_model_or_another_width_cannot_be_compared_and_a_replaced_one_can(shop: Snapshot) -> None:
    for toy in (ToyEncoder("other"), ToyEncoder(width=WIDTH + 1)):
        with running(toy) as address:
            assert TextEncoder(address).meanings(["shelf 1"], shop, None) == Meanings(degraded=OTHER_MODEL)
    toy = ToyEncoder("other")
    with running(toy) as address:
        encoder = TextEncoder(address)
        encoder.meanings(["shelf 1"], shop, None)
        toy.name = MODEL
        # The new model is noticed by the first text that is not remembered.
        assert encoder.meanings(["shelf 2"], shop, None).vectors
        toy.asked.clear()
        assert encoder.meanings(["shelf 1"], shop, None).vectors
        assert toy.asked == [["shelf 1"]]
        # One text remembered from the old model, one not: no vectors of both together.
        toy.name = "other"
        encoder.meanings(["shelf 3"], shop, None)
        toy.name = MODEL
        toy.asked.clear()
        assert set(encoder.meanings(["shelf 3", "shelf 0"], shop, None).vectors) == {"shelf 3", "shelf 0"}
    assert toy.asked == [["shelf 0"], ["shelf 3"]]


@pytest.mark.parametrize(
    ("width", "vectors"),
    [(0, b""), (WIDTH, b"1234"), (WIDTH, np.full(WIDTH, np.nan, "<f4").tobytes()), (-1, b"1234")],
)
def test_an_answer_that_is_none_counts_as_no_answer(shop: Snapshot, width: int, vectors: bytes) -> None:
    with broken(width=width, vectors=vectors) as (address, _):
        assert TextEncoder(address).meanings(["shelf 1"], shop, None) == Meanings(degraded=UNAVAILABLE)


def test_after_a_failure_it_rests_and_then_is_asked_again(shop: Snapshot) -> None:
    clock = StandingClock()
    with broken(grpc.StatusCode.INTERNAL) as (address, calls):
        encoder = TextEncoder(address, clock)
        for _ in range(3):
            assert encoder.meanings(["shelf 1"], shop, None).degraded == UNAVAILABLE
        assert calls == [1]
        clock.s += REST_S
        encoder.meanings(["shelf 1"], shop, None)
        assert calls == [1, 1]


def test_an_encoder_that_was_away_is_found_again_within_seconds(shop: Snapshot, tmp_path: Path) -> None:
    clock = StandingClock()
    address = f"unix:{tmp_path}/encoder"
    encoder = TextEncoder(address, clock)
    started = perf_counter()
    while perf_counter() - started < 6.0:  # long enough for gRPC's own pauses to have grown
        assert encoder.meanings(["shelf 1"], shop, None).degraded == UNAVAILABLE
        clock.s += REST_S
        sleep(0.2)
    with running(ToyEncoder(), address):
        back = perf_counter()
        while not encoder.meanings(["shelf 1"], shop, None).vectors:
            clock.s += REST_S
            sleep(0.1)
            assert perf_counter() - back < 4.0


def test_a_caller_in_a_hurry_waits_for_half_of_its_time_and_does_not_make_others_do_without(shop: Snapshot) -> None:
    with broken(grpc.StatusCode.DEADLINE_EXCEEDED) as (address, calls):
        encoder = TextEncoder(address, StandingClock())
        started = perf_counter()
        assert encoder.meanings(["shelf 1"], shop, 0.1).degraded == UNAVAILABLE
        assert perf_counter() - started < 0.9
        encoder.meanings(["shelf 1"], shop, 0.1)
        assert calls == [1, 1]
