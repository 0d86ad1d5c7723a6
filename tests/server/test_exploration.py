"""Exploration over a real connection: who came by chance, and how likely that was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1 import snapshot_service_pb2 as snapshots_pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from recsys.arrays import frozen
from recsys.context import Context
from recsys.model import Snapshot
from recsys.policy_settings import ExplorationSettings, Promotion
from recsys.serving import Depth, built_in
from recsys.snapshot.store import SnapshotStore
from recsys.stores.opening import open_state
from server.console_client import main
from server.settings import Settings

from .paged import AT, ids, pages, rows
from .tiny_shop import LAST_EVENT_AT, N_ITEMS, OUT_OF_STOCK, commit_tiny, tiny_snapshot
from .workers import Workers

NEW = frozenset({OUT_OF_STOCK, *range(40, N_ITEMS)})
SHARE = 0.4
DAY = 86_400


def number(item_id: str) -> int:
    return int(item_id.rpartition("i")[2])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published tiny shop whose last twenty items are new; plain serves ten popular ones, curious explores too, and
    promoting has places for shelf 3 besides.
    """
    root = tmp_path_factory.mktemp("exploring")
    snapshot = tiny_snapshot(1)
    plain = replace(built_in()["home"], name="plain", depths=(Depth("history", 5), Depth("popular", 10)), ranker="")
    curious = replace(plain, name="curious", exploration=ExplorationSettings(SHARE, 7.0))
    shelf = Promotion("shelf three", 'category = "Food > Shelf 3"', slots=(2,))
    configs = (plain, curious, replace(curious, name="promoting", promotions=(shelf,)))
    created_at = [LAST_EVENT_AT - DAY if item in NEW else 1 for item in range(N_ITEMS)]
    context = snapshot.model.context
    context = Context.of(
        replace(context.catalogue, created_at=frozen(created_at, np.int64)),
        context.statistics,
        profiles=context.profiles,
        factors=context.factors,
        texts=context.texts,
    )
    exploring = Snapshot.of(
        replace(snapshot.model, context=context),
        rankers={},
        users=snapshot.users,
        histories=snapshot.histories,
        configs={**snapshot.configs, **{config.name: config for config in configs}},
        last_event_at=snapshot.last_event_at,
    )
    SnapshotStore(root).publish(commit_tiny(root, exploring))
    return root


@pytest.fixture
def channel(shop: Path, listen: Callable[..., str]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(listen(shop)) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.Channel) -> RecommendationServiceStub:
    return RecommendationServiceStub(channel)


def ask(**fields: Any) -> pb.RecommendRequest:
    return pb.RecommendRequest(**{"user_id": "user-03", "serving_config": "curious", "at": AT, **fields})


def test_explored_results_are_told_and_every_place_has_its_propensity(stub: RecommendationServiceStub) -> None:
    drawn: set[int] = set()
    for second in range(40):
        answer = stub.Recommend(ask(page_size=10, at=Timestamp(seconds=AT.seconds + second)))
        n_left = len(NEW - {OUT_OF_STOCK})
        for result in answer.results:
            assert result.HasField("propensity")
            if result.is_exploration:
                # The one that would stand here may be new too, and is then not among those that are drawn from.
                assert SHARE / result.propensity == pytest.approx(n_left, abs=1.01)
                drawn.add(number(result.item_id))
            else:
                assert result.propensity == pytest.approx(1 - SHARE)
            n_left -= number(result.item_id) in NEW
    assert drawn <= NEW - {OUT_OF_STOCK}
    assert len(drawn) > 12


def test_a_serving_config_that_does_not_explore_says_nothing_of_it(stub: RecommendationServiceStub) -> None:
    for config in ("plain", "home"):
        answer = stub.Recommend(ask(serving_config=config, page_size=20))
        assert len(answer.results) == 20
        assert not any(result.HasField("propensity") or result.is_exploration for result in answer.results)


@pytest.mark.parametrize("config", ["curious", "promoting"])
@pytest.mark.parametrize("size", [1, 7, 25])
def test_a_list_is_paged_as_it_is_shown_at_once(stub: RecommendationServiceStub, config: str, size: int) -> None:
    whole = stub.Recommend(ask(serving_config=config, page_size=200))
    answers = pages(stub.Recommend, ask(serving_config=config, page_size=size))
    assert rows(*answers) == rows(whole)
    assert any(result.is_exploration for result in whole.results)
    assert rows(stub.Recommend(ask(serving_config=config, page_size=200))) == rows(whole)


def test_what_the_request_forbids_is_not_drawn(stub: RecommendationServiceStub) -> None:
    excluded = [f"1-i{item}" for item in range(40, 55)]
    drawn = set()
    for second in range(30):
        request = ask(page_size=20, exclude_item_ids=excluded, at=Timestamp(seconds=AT.seconds + second))
        answer = stub.Recommend(request)
        assert not set(excluded) & set(ids(answer))
        drawn |= {number(result.item_id) for result in answer.results if result.is_exploration}
    assert drawn == {55, 56, 57, 58, 59}
    with_those = stub.Recommend(ask(page_size=60, include_out_of_stock=True))
    assert f"1-i{OUT_OF_STOCK:02d}" in ids(with_those)


def test_a_promotion_has_its_place_for_certain(stub: RecommendationServiceStub) -> None:
    for second in range(20):
        at = Timestamp(seconds=AT.seconds + second)
        result = stub.Recommend(ask(serving_config="promoting", page_size=10, at=at)).results[1]
        assert number(result.item_id) % 4 == 3
        assert (result.is_exploration, result.propensity) == (False, 1.0)


def test_explain_says_what_exploration_moved_and_why_an_item_is_there(stub: RecommendationServiceStub) -> None:
    # Who has bought it before is told so, whatever brought it here.
    answer = stub.Recommend(ask(user_id="", page_size=10, explain=pb.EXPLAIN_FULL))
    explored = [result for result in answer.results if result.is_exploration]
    steps = {step.name: step.n_moved for step in answer.policies}
    assert list(steps) == ["stock", "exploration"]
    assert steps["exploration"] >= len(explored) > 0
    for result in explored:
        assert not result.sources
        assert [reason.code for reason in result.reasons] == ["FRESH"]
        assert sum(part.value for part in result.contributions) == pytest.approx(result.score, abs=1e-4)
    assert ids(stub.Recommend(ask(user_id="", page_size=10))) == ids(answer)


def test_serving_configs_show_what_they_explore(channel: grpc.Channel) -> None:
    listed = SnapshotServiceStub(channel).ListServingConfigs(snapshots_pb.ListServingConfigsRequest()).serving_configs
    configs = {config.name: config for config in listed}
    assert configs["curious"].exploration == snapshots_pb.Exploration(share=SHARE, max_age_days=7.0)
    assert list(configs["curious"].policies) == ["exploration"]
    assert list(configs["promoting"].policies) == ["promotions", "exploration"]
    assert not configs["plain"].HasField("exploration")


def test_batches_explore_as_single_calls_do(stub: RecommendationServiceStub) -> None:
    requests = [ask(page_size=10, user_id=user) for user in ("user-01", "user-02", "")]
    batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=requests))
    alone = [stub.Recommend(request) for request in requests]
    assert [rows(entry.response) for entry in batch.responses] == [rows(answer) for answer in alone]


def test_the_client_for_people_says_what_chance_brought(
    shop: Path, listen: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--target", listen(shop), "--serving-config", "curious", "--limit", "20", "--explain", "--at"]
    assert main(["recommend", "nobody", *words, "2017-07-14T02:40:01Z"]) == 0
    assert " chance " in capsys.readouterr().out


def test_lists_that_are_logged_keep_their_chances(
    shop: Path, settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    workers = Workers()
    channel = workers.start(settings_for(shop, state=str(tmp_path / "state"), log_slates=1.0))
    assert workers.wait_until_all_serve(SnapshotStore(shop).current())
    answer = RecommendationServiceStub(channel).Recommend(ask(page_size=10))
    workers.stop()
    state = open_state(str(tmp_path / "state"))
    (slate,), _ = state.slates.since(0, 10)
    state.close()

    assert [(item.item_id, item.is_exploration, item.propensity) for item in slate.items] == [
        (result.item_id, result.is_exploration, pytest.approx(result.propensity)) for result in answer.results
    ]
    assert any(item.is_exploration for item in slate.items)
