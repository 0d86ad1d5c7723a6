"""The log of what was shown: the share that is asked for, joined to answers by id, and nothing waits for it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from index.feedback import Feedback
from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.errors import StateUnavailable
from recsys.stores.opening import open_state
from recsys.stores.protocols import State
from recsys.stores.records import ShownItem, ShownSlate
from server.slates import MOST_WAITING, SlateLog
from server.state import LiveState

from .paged import AT, ids
from .stateful import Shop, Shops, bought, viewed
from .tiny_shop import publish_tiny

SLATE = ShownSlate("r", 5, "ann", "", "home", "v", (ShownItem("tea"),))


def kept(shop: Shop) -> dict[str, ShownSlate]:
    state = open_state(str(shop.state))
    slates, _ = state.slates.since(0, 1000)
    state.close()
    return {slate.request_id: slate for slate in slates}


def test_an_answer_is_kept_as_it_was_shown(shop: Shops, tmp_path: Path) -> None:
    version = publish_tiny(tmp_path / "ranked", ranked=True)
    running = shop(tmp_path / "ranked", log_slates=1.0)
    first = running.recommend(user_id="user-03", visitor_id="phone", platform="app", at=AT, page_size=5)
    second = running.recommend(page_token=first.next_page_token, page_size=3)
    running.stop()

    slates = kept(running)
    assert set(slates) == {first.request_id, second.request_id}
    slate = slates[first.request_id]
    assert (slate.user_id, slate.visitor_id, slate.platform) == ("user-03", "phone", "app")
    assert (slate.serving_config, slate.snapshot_version, slate.first_position) == ("home", version, 1)
    assert slate.time_us == AT.seconds * 1_000_000
    assert [item.item_id for item in slate.items] == ids(first)
    for item, result in zip(slate.items, first.results, strict=True):
        assert item.sources == tuple(hit.name for hit in sorted(result.sources, key=lambda hit: hit.rank))
    assert len(slate.features_digest) == 64
    assert slates[second.request_id].first_position == 6
    assert slates[second.request_id].features_digest != slate.features_digest


def test_events_with_the_token_of_a_kept_answer_are_reported_at_their_place(shop: Shops) -> None:
    running = shop(log_slates=1.0)
    first = running.recommend(user_id="user-03", page_size=5)
    second = running.recommend(page_token=first.next_page_token, page_size=3)
    token = {"user_id": "user-03", "attribution_token": second.attribution_token}
    clicked = second.results[1].item_id
    running.write(viewed(clicked, **token), bought(clicked, **token), viewed("1-i57", user_id="user-03"))
    running.stop()

    state = open_state(str(running.state))
    feedback = Feedback.read(state)
    state.close()
    taken = [line for line in feedback.lines("position") if line.n_clicked or line.n_converted]
    assert [(line.name, line.n_shown, line.n_clicked, line.n_converted) for line in taken] == [("7", 1, 1, 1)]
    assert (feedback.n_slates, feedback.n_joined, feedback.n_without, feedback.n_unknown) == (2, 1, 1, 0)


def test_each_answer_of_a_batch_is_kept_under_an_id_of_its_own(shop: Shops) -> None:
    running = shop(log_slates=1.0)
    asked = [pb.RecommendRequest(user_id=user, page_size=2) for user in ("user-03", "", "user-04")]
    batch = RecommendationServiceStub(running.reader).BatchRecommend(pb.BatchRecommendRequest(requests=asked))
    running.stop()

    slates = kept(running)
    assert {entry.response.request_id: ids(entry.response) for entry in batch.responses} == {
        id: [item.item_id for item in slate.items] for id, slate in slates.items()
    }


def test_nothing_is_kept_unless_it_is_asked_for(shop: Shops) -> None:
    running = shop()
    running.recommend(user_id="user-03")
    running.stop()

    assert kept(running) == {}


def test_a_share_is_drawn_by_the_id_alone() -> None:
    log = SlateLog(LiveState(lambda: open_state("nowhere")), 0.25)
    wanted = [log.wants(f"{number:08x}{'0' * 24}") for number in range(0, 2**32, 2**20)]
    log.close()

    assert sum(wanted) == len(wanted) / 4
    assert not SlateLog(LiveState(None), 1.0).wants("0" * 32)


def test_what_cannot_be_kept_is_counted_and_nobody_waits(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, may_fail = threading.Event(), threading.Event()

    def stuck() -> State:
        reached.set()
        may_fail.wait(60)
        raise StateUnavailable("down")

    log = SlateLog(LiveState(stuck), 1.0)
    with caplog.at_level(logging.WARNING, logger="server.slates"):
        log.keep(SLATE)
        assert reached.wait(60)
        for _ in range(MOST_WAITING + 7):
            log.keep(SLATE)
        may_fail.set()
        log.close()

    assert sum(record.fields["n_slates"] for record in caplog.records) == MOST_WAITING + 8  # type: ignore[attr-defined]
