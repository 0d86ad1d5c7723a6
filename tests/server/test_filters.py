"""Filters over a real connection: what is returned, what is refused and where."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1 import snapshot_service_pb2 as snapshots_pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from recsys.model import Snapshot
from recsys.policy_settings import Promotion
from recsys.serving import built_in
from recsys.snapshot.store import SnapshotStore
from server import batch_client, console_client

from .tiny_shop import LAST_EVENT_AT, N_ITEMS, commit_tiny, searchable_snapshot

AT = Timestamp(seconds=LAST_EVENT_AT + 1)
UNKNOWN = 'filter: unknown field "colour" at position 10; there are brand, category, created_at, in_stock, price, title'


def numbers_of(response: pb.RecommendResponse) -> list[int]:
    return [int(result.item_id.removeprefix("1-i")) for result in response.results]


def is_own(number: int) -> bool:
    return number % 2 == 0


@pytest.mark.parametrize("config", ["home", "discover"])
def test_only_what_passes_is_returned_and_the_page_is_full(stub: RecommendationServiceStub, config: str) -> None:
    request = pb.RecommendRequest(
        user_id="user-03", serving_config=config, page_size=5, filter='brand = "Own" AND category:"Shelf 2"', at=AT
    )

    response = stub.Recommend(request)

    assert len(response.results) == 5
    assert all(number % 4 == 2 for number in numbers_of(response))
    assert list(response.warnings) == []


def test_similar_items_are_filtered_too(stub: RecommendationServiceStub) -> None:
    request = pb.SimilarItemsRequest(item_id="1-i03", page_size=6, filter='brand = "Own"')

    response = stub.SimilarItems(request)

    assert len(response.results) == 6
    assert all(map(is_own, numbers_of(response)))


def test_a_word_without_a_field_is_looked_for_in_the_titles(stub: RecommendationServiceStub) -> None:
    assert numbers_of(stub.Recommend(pb.RecommendRequest(filter="17", at=AT))) == [17]


@pytest.mark.parametrize("strict", [None, True])
def test_a_page_stays_short_by_default(stub: RecommendationServiceStub, strict: bool | None) -> None:
    request = pb.RecommendRequest(filter="title:7 OR title:9", strict_filtering=strict, page_size=6, at=AT)

    response = stub.Recommend(request)

    assert sorted(numbers_of(response)) == [7, 9]
    assert list(response.warnings) == [
        "only 2 of 6 results: no more items fit serving config home and the filter",
    ]


@pytest.mark.parametrize("method", ["Recommend", "SimilarItems"])
def test_popular_items_fill_the_page_when_the_filter_is_not_strict(
    stub: RecommendationServiceStub, method: str
) -> None:
    request: Any = (
        pb.RecommendRequest(at=AT) if method == "Recommend" else pb.SimilarItemsRequest(item_id="1-i03", at=AT)
    )
    request.MergeFrom(type(request)(filter="title:7 OR title:9", strict_filtering=False, page_size=6))
    request.exclude_item_ids.append("1-i00")

    response = getattr(stub, method)(request)

    numbers = numbers_of(response)
    assert len(set(numbers)) == 6
    assert set(numbers[:2]) == {7, 9}
    assert not {0, 5} & set(numbers)  # excluded, out of stock
    assert list(response.warnings) == ["only 2 items pass the filter: the last 4 of 6 are popular and ignore it"]


def test_nothing_that_passes_is_an_empty_answer_that_says_so(stub: RecommendationServiceStub) -> None:
    response = stub.Recommend(pb.RecommendRequest(user_id="user-03", filter="price > 1000", at=AT))

    assert list(response.results) == []
    assert "no item of the catalogue passes the filter" in response.warnings


def test_a_filter_and_all_else_that_is_wrong_are_reported_together(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any]
) -> None:
    request = pb.RecommendRequest(page_size=-1, filter="price < 3 colour = red", user_id="u" * 129)

    failure = failure_of(lambda: stub.Recommend(request))

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    violations = failure.details["BadRequest"].field_violations
    assert {v.field for v in violations} == {"user_id", "page_size", "filter"}
    assert UNKNOWN in {v.description for v in violations}


@pytest.mark.parametrize(
    ("text", "position"),
    [("price <", 7), ("price = cheap", 8), ("茶 AND (price < 3", 6), ('brand:"Own', 6), ("price > 1 )", 10)],
)
@pytest.mark.parametrize("method", ["Recommend", "SimilarItems"])
def test_the_position_counts_characters_from_0(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any], method: str, text: str, position: int
) -> None:
    kind: Any = pb.RecommendRequest if method == "Recommend" else pb.SimilarItemsRequest
    request = kind(filter=text)
    if method == "SimilarItems":
        request.item_id = "1-i03"

    failure = failure_of(lambda: getattr(stub, method)(request))

    (violation,) = failure.details["BadRequest"].field_violations
    assert violation.field == "filter"
    assert f"at position {position}" in violation.description


def test_a_batch_names_the_request_and_answers_the_others(stub: RecommendationServiceStub) -> None:
    requests = [
        pb.RecommendRequest(user_id="user-03", filter='brand = "Own"', page_size=4, at=AT),
        pb.RecommendRequest(user_id="user-03", page_size=4, at=AT),
        pb.RecommendRequest(filter="title:7", strict_filtering=False, page_size=4, at=AT),
        pb.RecommendRequest(filter="price < 3 colour = red", page_size=-1),
    ]

    batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=requests))

    own, plain, loose, bad = batch.responses
    assert all(map(is_own, numbers_of(own.response)))
    assert not all(map(is_own, numbers_of(plain.response)))
    assert [number == 7 for number in numbers_of(loose.response)] == [True, False, False, False]
    details = BadRequest()
    assert any(detail.Unpack(details) for detail in bad.status.details)
    assert {v.field: v.description for v in details.field_violations} == {
        "requests[3].page_size": "page_size must be at least 0, got -1",
        "requests[3].filter": UNKNOWN,
    }


def test_a_batch_answers_as_recommend_does(stub: RecommendationServiceStub) -> None:
    requests = [
        pb.RecommendRequest(user_id=f"user-{i:02d}", filter=f"title:{i}*", strict_filtering=bool(i % 2), at=AT)
        for i in range(6)
    ]

    batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=requests))

    alone = [numbers_of(stub.Recommend(request)) for request in requests]
    assert [numbers_of(entry.response) for entry in batch.responses] == alone


def test_without_a_snapshot_the_grammar_is_checked_all_the_same(
    serve: Callable[..., grpc.Channel], tmp_path: Path, failure_of: Callable[..., Any]
) -> None:
    stub = RecommendationServiceStub(serve(tmp_path))

    bad = failure_of(lambda: stub.Recommend(pb.RecommendRequest(filter="price <", page_size=-1)))
    good = failure_of(lambda: stub.Recommend(pb.RecommendRequest(filter="colour = red")))

    assert [v.field for v in bad.details["BadRequest"].field_violations] == ["page_size", "filter"]
    assert good.code in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNAVAILABLE)


def test_the_batch_client_filters(target: str, tmp_path: Path) -> None:
    out = tmp_path / "lists.jsonl"
    arguments = ["--target", target, "--users", "all", "--limit", "3", "--filter", 'brand = "Own"', "--out", str(out)]

    assert batch_client.main(arguments) == 0

    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 3 * 24
    assert all(is_own(int(row["item_id"].removeprefix("1-i"))) for row in rows)


def test_a_filter_that_cannot_be_read_ends_the_batch_client_in_one_sentence(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lists.jsonl"

    assert batch_client.main(["--target", target, "--users", "all", "--filter", "price <", "--out", str(out)]) == 1

    assert "the filter ends too early at position 7" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("command", [["recommend", ""], ["similar", "1-i03"]])
def test_the_console_client_filters(target: str, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    assert console_client.main([*command, "--target", target, "--filter", "title:7", "--ids"]) == 0

    shown = capsys.readouterr().out
    assert "1-i07" in shown
    assert not any(f"1-i{number:02d}" in shown for number in range(N_ITEMS) if number not in (3, 7))


@pytest.fixture(scope="module")
def own_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published tiny shop; serving config own shows and searches the brand Own alone; promotes in vain."""
    root = tmp_path_factory.mktemp("own")
    shop = searchable_snapshot(1)
    promotion = Promotion("shelf", 'category:"Shelf 3"', share=0.2)
    own = replace(built_in()["home"], name="own", filter='brand = "Own"', promotions=(promotion,))
    search = replace(built_in()["search"], name="own-search", filter='brand = "Own"')
    same = Snapshot.of(
        shop.model,
        rankers={},
        users=shop.users,
        histories=shop.histories,
        configs={**shop.configs, "own": own, "own-search": search},
        last_event_at=shop.last_event_at,
        words=shop.words,
    )
    SnapshotStore(root).publish(commit_tiny(root, same))
    return root


@pytest.fixture
def own(own_shop: Path, listen: Callable[..., str]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(listen(own_shop)) as channel:
        yield channel


def test_the_filter_of_a_serving_config_holds_whatever_the_request_says(own: grpc.Channel) -> None:
    stub = RecommendationServiceStub(own)
    request = pb.RecommendRequest(user_id="user-03", serving_config="own", page_size=5, at=AT)

    plain = stub.Recommend(request)
    request.filter = 'category:"Shelf 2"'
    narrowed = stub.Recommend(request)
    request.filter, request.strict_filtering, request.page_size = "price < 2", False, 200
    filled = stub.Recommend(request)
    request.filter = "NOT brand:*"
    against = stub.Recommend(request)

    assert len(plain.results) == len(narrowed.results) == 5
    assert all(map(is_own, numbers_of(plain)))
    assert all(number % 4 == 2 for number in numbers_of(narrowed))
    # All of the brand, of 60 items every second, and no other: what fills the page keeps the serving config's filter.
    assert sorted(numbers_of(filled)) == sorted(numbers_of(against)) == list(range(0, N_ITEMS, 2))
    assert filled.warnings[0].endswith("are popular and ignore it")


def test_the_filter_of_a_serving_config_holds_for_searches(own: grpc.Channel) -> None:
    answer = RecommendationServiceStub(own).Search(
        pb.SearchRequest(query="product", serving_config="own-search", page_size=50, at=AT)
    )

    assert len(answer.results) == N_ITEMS // 2
    assert all(map(is_own, numbers_of(answer)))


def test_the_filter_of_a_serving_config_is_listed_and_accounted_for(own: grpc.Channel) -> None:
    listed = SnapshotServiceStub(own).ListServingConfigs(snapshots_pb.ListServingConfigsRequest()).serving_configs
    answer = RecommendationServiceStub(own).Recommend(
        pb.RecommendRequest(serving_config="own", filter="price < 10", explain=pb.EXPLAIN_SUMMARY, at=AT)
    )

    assert {config.name: config.filter for config in listed if config.filter} == {
        "own": 'brand = "Own"',
        "own-search": 'brand = "Own"',
    }
    # Odd ones are of no brand; one of those is the one out of stock.
    steps = {step.name: step.n_removed for step in answer.policies}
    assert list(steps)[:3] == ["stock", "serving_filter", "filter"]
    assert steps["serving_filter"] == N_ITEMS // 2 - 1


def test_a_list_under_the_filter_of_a_serving_config_ends_in_its_name(own: grpc.Channel) -> None:
    answer = RecommendationServiceStub(own).Recommend(pb.RecommendRequest(serving_config="own", page_size=200, at=AT))

    assert list(answer.warnings) == [f"only {N_ITEMS // 2} of 200 results: no more items fit serving config own"]
