"""Search over the wire, beside a real encoder service with a toy model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from server.settings import Settings
from server.worker import Worker

from .paged import AT, ids, pages, rows
from .text_encoders import ToyEncoder, broken, running
from .tiny_shop import publish_searchable, publish_tiny

SHELF_2 = [f"1-i{i:02d}" for i in range(2, 60, 4)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("searchable")
    publish_searchable(root)
    return root


@pytest.fixture(scope="module")
def encoder() -> ToyEncoder:
    return ToyEncoder()


@pytest.fixture(scope="module")
def stub(shop: Path, encoder: ToyEncoder, settings_for: Callable[..., Settings]) -> Iterator[RecommendationServiceStub]:
    with running(encoder) as address:
        yield from _stub(settings_for(shop, encoder=address))


@pytest.fixture(scope="module")
def alone(shop: Path, settings_for: Callable[..., Settings]) -> Iterator[RecommendationServiceStub]:
    """A server without an encoder."""
    yield from _stub(settings_for(shop))


def _stub(settings: Settings) -> Iterator[RecommendationServiceStub]:
    worker = Worker(settings, lambda _: None)
    worker.start()
    with grpc.insecure_channel(f"127.0.0.1:{worker.port}") as channel:
        stub = RecommendationServiceStub(channel)
        for _ in range(600):
            try:
                stub.Recommend(pb.RecommendRequest(), timeout=5)
                break
            except grpc.RpcError:
                continue
        yield stub
    worker.stop()


def asked(query: str, **fields: Any) -> pb.SearchRequest:
    return pb.SearchRequest(**{"query": query, "at": AT, **fields})


def test_a_product_is_found_by_its_name(stub: RecommendationServiceStub) -> None:
    answer = stub.Search(asked("product 17"))

    assert ids(answer)[0] == "1-i17"
    assert not answer.degraded_reasons
    assert not answer.warnings


def test_a_need_in_another_language_is_found_by_its_meaning(stub: RecommendationServiceStub) -> None:
    answer = stub.Search(asked("2号架上的东西", page_size=15))

    assert set(ids(answer)) == set(SHELF_2)
    assert not answer.degraded_reasons


def test_it_is_recommend_with_the_serving_config_search(stub: RecommendationServiceStub) -> None:
    fields: dict[str, Any] = {"user_id": "user-03", "explain": pb.EXPLAIN_FULL, "return_items": True, "at": AT}
    search = stub.Search(pb.SearchRequest(query="shelf 2", filter="price < 12", **fields))
    same = stub.Recommend(pb.RecommendRequest(serving_config="search", query="shelf 2", filter="price < 12", **fields))

    assert rows(search) == rows(same)
    assert search.served_by == pb.SERVED_BY_PERSONALISED
    for result in search.results:
        assert sum(part.value for part in result.contributions) == pytest.approx(result.score, abs=1e-4)
        assert result.item.price < 12
    assert "relevance" in {hit.name for result in search.results for hit in result.sources}
    assert "QUERY" in {reason.code for result in search.results for reason in result.reasons}
    assert {step.name for step in search.policies} >= {"stock", "filter", "query"}


def test_somebody_unknown_gets_what_fits_and_is_told_what_it_rests_on(stub: RecommendationServiceStub) -> None:
    answer = stub.Search(asked("shelf 2", user_id="nobody", page_size=5))

    assert len(answer.results) == 5
    assert answer.served_by == pb.SERVED_BY_CONTENT


def test_pages_are_the_long_list_with_the_query_repeated_or_left_out(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any]
) -> None:
    whole = stub.Search(asked("shelf 2", user_id="user-03", page_size=200))
    answers = pages(stub.Search, asked("shelf 2", user_id="user-03", page_size=7))

    assert rows(*answers) == rows(whole)
    assert len(answers) > 2
    token = answers[0].next_page_token
    assert rows(stub.Search(pb.SearchRequest(page_token=token))) == rows(answers[1])
    assert rows(stub.Recommend(pb.RecommendRequest(page_token=token))) == rows(answers[1])
    other = failure_of(lambda: stub.Search(pb.SearchRequest(query="shelf 1", page_token=token)))
    assert other.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "query" in other.message


def test_each_query_of_a_batch_is_encoded_in_one_go(stub: RecommendationServiceStub, encoder: ToyEncoder) -> None:
    texts = [f"batch of shelf {axis}" for axis in range(4)]
    encoder.asked.clear()
    requests = [pb.RecommendRequest(serving_config="search", query=text, at=AT) for text in texts]
    bad = pb.RecommendRequest(serving_config="search", query="x" * 513)

    answer = stub.BatchRecommend(pb.BatchRecommendRequest(requests=[*requests, bad]))

    assert encoder.asked == [texts]
    for entry, request in zip(answer.responses[:4], requests, strict=True):
        assert rows(entry.response) == rows(stub.Recommend(request))
    assert answer.responses[4].status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert encoder.asked == [texts]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"query": ""}, "query"),
        ({"query": "   "}, "query"),
        ({"query": "x" * 513}, "query"),
        ({"serving_config": "home"}, "query"),
        ({"page_size": -1}, "page_size"),
        ({"filter": "price <"}, "filter"),
    ],
)
def test_what_cannot_be_searched_for_is_refused_by_field(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any], fields: dict[str, Any], field: str
) -> None:
    failure = failure_of(lambda: stub.Search(pb.SearchRequest(**{"query": "milk", **fields})))

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in failure.details["BadRequest"].field_violations] == [field]


def test_validate_only_asks_no_encoder_and_gives_the_same_question(
    stub: RecommendationServiceStub, encoder: ToyEncoder
) -> None:
    encoder.asked.clear()
    answer = stub.Search(asked("never encoded", validate_only=True))

    assert (answer.normalised_request.serving_config, answer.normalised_request.query) == ("search", "never encoded")
    assert encoder.asked == []


def test_without_an_encoder_words_answer_and_the_answer_says_so(alone: RecommendationServiceStub) -> None:
    answer = alone.Search(asked("product 17"))

    assert ids(answer)[0] == "1-i17"
    assert list(answer.degraded_reasons) == ["encoder:not_configured"]
    assert list(answer.warnings) == ["found by words alone: no encoder told what is near the query in meaning"]
    assert not alone.Recommend(pb.RecommendRequest(user_id="user-03", at=AT)).degraded_reasons


def test_an_encoder_that_hangs_costs_one_search_a_second_and_later_ones_nothing(
    shop: Path, settings_for: Callable[..., Settings]
) -> None:
    with broken(grpc.StatusCode.DEADLINE_EXCEEDED) as (address, calls):
        for stub in _stub(settings_for(shop, encoder=address)):
            answers = [stub.Search(asked(f"product {n}"), timeout=30) for n in range(5)]

    assert [list(answer.degraded_reasons) for answer in answers] == [["encoder:unavailable"]] * 5
    assert [ids(answer)[0] for answer in answers] == [f"1-i{n:02d}" for n in range(5)]
    assert calls == [1]


def test_a_snapshot_without_texts_finds_nothing_and_says_why(tmp_path: Path, listen: Callable[..., str]) -> None:
    publish_tiny(tmp_path)
    with grpc.insecure_channel(listen(tmp_path)) as channel:
        answer = RecommendationServiceStub(channel).Search(asked("product 17"))

    assert not answer.results
    assert not answer.degraded_reasons
    assert answer.warnings[0] == "nothing that may be shown has a word of the query or is near it in meaning"


def test_another_model_than_the_snapshot_s_is_not_asked_what_is_near(
    tmp_path: Path, listen: Callable[..., str]
) -> None:
    publish_searchable(tmp_path, model="another")
    with running(ToyEncoder()) as address, grpc.insecure_channel(listen(tmp_path, encoder=address)) as channel:
        answer = RecommendationServiceStub(channel).Search(asked("product 17"))

    assert list(answer.degraded_reasons) == ["encoder:other_model"]
    assert ids(answer)[0] == "1-i17"
