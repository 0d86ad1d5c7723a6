"""Policies over a real connection: promotions by name, variety by request, and the account of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1 import snapshot_service_pb2 as snapshots_pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from recsys.arrays import frozen
from recsys.context import Context
from recsys.model import Snapshot
from recsys.policy_settings import CapSettings, FreshnessSettings, Promotion
from recsys.serving import built_in
from recsys.snapshot.store import SnapshotStore

from .paged import AT, ids, pages, rows
from .tiny_shop import N_ITEMS, OUT_OF_STOCK, commit_tiny, tiny_snapshot

INVALID = grpc.StatusCode.INVALID_ARGUMENT
N_KINDS = 12
SHELF = 'category = "Food > Shelf 3"'


def is_promoted(item_id: str) -> bool:
    """Whether an item stands on shelf 3: every fourth does."""
    return int(item_id.rpartition("i")[2]) % 4 == 3


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published tiny shop; serving config mail promotes shelf 3 and caps brands, plain is the same without."""
    root = tmp_path_factory.mktemp("promoting")
    snapshot = tiny_snapshot(1)
    plain = replace(built_in()["home"], name="plain", spread=0.1)
    mail = replace(
        plain,
        name="mail",
        freshness=FreshnessSettings(0.4, 14.0),
        caps=CapSettings(category=4, level=2),
        promotions=(Promotion("shelf three", SHELF, share=0.5, slots=(2,)),),
    )
    # Five items of a kind each, so that ten can differ.
    context = snapshot.model.context
    kinds = {"category_1": frozen(np.arange(N_ITEMS) % N_KINDS, np.int32)}
    context = Context.of(
        replace(context.catalogue, codes=kinds),
        context.statistics,
        profiles=context.profiles,
        factors=context.factors,
        texts=None,
    )
    varied = Snapshot.of(
        replace(snapshot.model, context=context),
        rankers={},
        users=snapshot.users,
        histories=snapshot.histories,
        configs={**snapshot.configs, "plain": plain, "mail": mail},
        last_event_at=snapshot.last_event_at,
    )
    SnapshotStore(root).publish(commit_tiny(root, varied))
    return root


@pytest.fixture
def channel(shop: Path, listen: Callable[..., str]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(listen(shop)) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.Channel) -> RecommendationServiceStub:
    return RecommendationServiceStub(channel)


def ask(**fields: Any) -> pb.RecommendRequest:
    return pb.RecommendRequest(**{"user_id": "user-03", "serving_config": "mail", "at": AT, **fields})


def test_a_promotion_is_named_where_it_placed_an_item(stub: RecommendationServiceStub) -> None:
    answer = stub.Recommend(ask(page_size=10))
    assert sum(is_promoted(id) for id in ids(answer)) >= 5
    assert is_promoted(answer.results[1].item_id)
    named = [result.item_id for result in answer.results if result.promotion_name == "shelf three"]
    assert named
    assert all(is_promoted(id) for id in named)
    assert {result.promotion_name for result in answer.results} == {"shelf three", ""}
    without = stub.Recommend(ask(page_size=10, serving_config="plain"))
    assert not any(result.promotion_name for result in without.results)


def test_what_the_request_forbids_is_not_promoted(stub: RecommendationServiceStub) -> None:
    excluded = [f"1-i{i:02d}" for i in range(3, 40, 4)]
    answer = stub.Recommend(ask(page_size=30, exclude_item_ids=excluded, filter="price < 15"))
    shown = set(ids(answer))
    assert any(result.promotion_name for result in answer.results)
    assert not shown & {*excluded, f"1-i{OUT_OF_STOCK:02d}"}
    cheap = stub.Recommend(ask(page_size=60, serving_config="plain", filter="price < 15"))
    assert shown < set(ids(cheap))


@pytest.mark.parametrize("size", [1, 7, 10, 25])
def test_a_list_with_all_policies_is_paged_as_it_is_shown_at_once(stub: RecommendationServiceStub, size: int) -> None:
    arguments = {"diversity": 0.3}
    whole = stub.Recommend(ask(page_size=200, **arguments))
    answers = pages(stub.Recommend, ask(page_size=size, **arguments))
    assert rows(*answers) == rows(whole)
    names = [result.promotion_name for answer in answers for result in answer.results]
    assert names == [result.promotion_name for result in whole.results]


def test_explain_says_what_each_rule_and_policy_did(stub: RecommendationServiceStub) -> None:
    answer = stub.Recommend(ask(page_size=10, diversity=0.5, filter="price < 15", explain=pb.EXPLAIN_SUMMARY))
    steps = {step.name: (step.n_moved, step.n_removed) for step in answer.policies}
    assert list(steps) == ["stock", "filter", "freshness", "spread", "diversity", "caps", "promotions"]
    assert steps["stock"] == (0, 1)
    assert steps["filter"][1] > 5
    assert 0 < steps["promotions"][0] <= 10
    full = stub.Recommend(ask(page_size=10, diversity=0.5, filter="price < 15", explain=pb.EXPLAIN_FULL))
    assert list(full.policies) == list(answer.policies)
    silent = stub.Recommend(ask(page_size=10, diversity=0.5, filter="price < 15"))
    assert (ids(silent), len(silent.policies)) == (ids(answer), 0)


def test_serving_configs_show_their_policies(channel: grpc.Channel) -> None:
    listed = SnapshotServiceStub(channel).ListServingConfigs(snapshots_pb.ListServingConfigsRequest()).serving_configs
    configs = {config.name: config for config in listed}
    mail = configs["mail"]
    assert list(mail.policies) == ["freshness", "spread", "caps", "promotions"]
    assert mail.freshness == snapshots_pb.Freshness(weight=0.4, half_life_days=14)
    assert mail.caps == snapshots_pb.Caps(category=4, level=2)
    assert list(mail.promotions) == [snapshots_pb.Promotion(name="shelf three", filter=SHELF, share=0.5, slots=[2])]
    assert list(configs["similar"].policies) == ["diversity"]
    assert not configs["similar"].HasField("caps")


def test_variety_is_what_the_request_says(stub: RecommendationServiceStub) -> None:
    def first_ten(**fields: Any) -> list[str]:
        return ids(stub.Recommend(ask(page_size=10, serving_config="plain", **fields)))

    own, none, most = first_ten(), first_ten(diversity=0), first_ten(diversity=1)
    assert own == none
    n_kinds = [len({int(id[-2:]) % N_KINDS for id in found}) for found in (none, most)]
    assert n_kinds[0] < n_kinds[1] == 10


def test_similar_items_and_batches_take_it_too(stub: RecommendationServiceStub) -> None:
    def similar(**fields: Any) -> list[str]:
        return ids(stub.SimilarItems(pb.SimilarItemsRequest(item_id="1-i03", page_size=10, at=AT, **fields)))

    # A quarter is what the serving config asks for itself.
    assert similar() == similar(diversity=0.25)
    assert similar() != similar(diversity=0)
    requests = [ask(page_size=10, serving_config="plain", **more) for more in ({}, {"diversity": 1.0})]
    batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=requests))
    alone = [stub.Recommend(request) for request in requests]
    assert [ids(entry.response) for entry in batch.responses] == [ids(answer) for answer in alone]
    assert ids(alone[0]) != ids(alone[1])


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf")])
def test_variety_outside_its_range_is_refused_with_the_field(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any], value: float
) -> None:
    for call, request in (
        (stub.Recommend, ask(diversity=value)),
        (stub.SimilarItems, pb.SimilarItemsRequest(item_id="1-i03", diversity=value)),
    ):
        failure = failure_of(lambda call=call, request=request: call(request))
        assert failure.code is INVALID
        (broken,) = failure.details["BadRequest"].field_violations
        assert (broken.field, broken.description[:33]) == ("diversity", "diversity must be within 0 to 1, ")


@pytest.mark.parametrize(("begun", "continued"), [({"diversity": 0.5}, 0.25), ({}, 0.5), ({}, 0.0)])
def test_a_list_cannot_go_on_with_another_variety(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any], begun: dict[str, float], continued: float
) -> None:
    first = stub.Recommend(ask(page_size=5, **begun))
    request = ask(page_size=5, page_token=first.next_page_token, diversity=continued)
    failure = failure_of(lambda: stub.Recommend(request))
    assert failure.code is INVALID
    (broken,) = failure.details["BadRequest"].field_violations
    assert broken.field == "page_token"
    assert "diversity" in broken.description


def test_what_a_request_says_comes_back_when_it_is_only_checked(stub: RecommendationServiceStub) -> None:
    checked = stub.Recommend(ask(diversity=0.0, validate_only=True)).normalised_request
    assert checked.HasField("diversity")
    assert not stub.Recommend(ask(validate_only=True)).normalised_request.HasField("diversity")
