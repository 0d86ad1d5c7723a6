"""Lists over a real connection, page by page: the same list, each item once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import (
    RecommendationServiceStub,
)
from recsys.sources.factors import Factors

from .paged import AT, ids, pages, rows
from .tiny_shop import LAST_EVENT_AT

KEY, OTHER_KEY = "5eed" * 16, "feed" * 16
INVALID, UNAVAILABLE = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("size", [1, 7, 10, 13, 29, 58, 59])
@pytest.mark.parametrize("user", ["user-03", "user-17", "nobody", ""])
@pytest.mark.parametrize("config", ["home", "discover", "buy-again"])
def test_pages_are_the_long_list_asked_for_at_once(
    stub: RecommendationServiceStub, config: str, user: str, size: int
) -> None:
    arguments = {"user_id": user, "serving_config": config, "at": AT, "explain": pb.EXPLAIN_SUMMARY}
    whole = stub.Recommend(pb.RecommendRequest(page_size=200, **arguments))

    answers = pages(stub.Recommend, pb.RecommendRequest(page_size=size, **arguments))

    assert rows(*answers) == rows(whole)
    assert len(set(ids(*answers))) == len(ids(*answers))
    assert [len(answer.results) for answer in answers[:-1]] == [size] * (len(answers) - 1)
    assert len(answers) == max(1, -(-len(whole.results) // size))
    assert whole.next_page_token == ""


def test_similar_items_are_paged_too_and_their_list_goes_on_either_way(stub: RecommendationServiceStub) -> None:
    whole = stub.SimilarItems(pb.SimilarItemsRequest(item_id="1-i03", page_size=200, at=AT, return_items=True))

    request = pb.SimilarItemsRequest(item_id="1-i03", page_size=9, at=AT, return_items=True)
    answers = pages(stub.SimilarItems, request)

    assert rows(*answers) == rows(whole)
    assert len(answers) > 3
    by_recommend = stub.Recommend(pb.RecommendRequest(page_token=answers[0].next_page_token))
    assert rows(by_recommend) == rows(answers[1])


def test_pages_may_be_of_different_sizes_and_asked_for_again(stub: RecommendationServiceStub) -> None:
    whole = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=60, at=AT))
    first = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=3, at=AT))
    second = pb.RecommendRequest(user_id="user-03", page_size=8, at=AT, page_token=first.next_page_token)

    answers = [first, stub.Recommend(second)]
    answers.append(stub.Recommend(pb.RecommendRequest(page_token=answers[-1].next_page_token)))

    assert [len(answer.results) for answer in answers] == [3, 8, 8]
    assert rows(*answers) == rows(whole)[:19]
    assert rows(stub.Recommend(second)) == rows(answers[1])


def test_a_list_goes_on_at_the_time_it_was_begun_at(stub: RecommendationServiceStub) -> None:
    early = Timestamp(seconds=LAST_EVENT_AT - 40 * 86_400)
    whole = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=60, at=early))

    answers = pages(stub.Recommend, pb.RecommendRequest(user_id="user-03", page_size=20, at=early))

    assert rows(*answers) == rows(whole)
    assert [list(answer.warnings)[:1] for answer in answers] == [list(whole.warnings)[:1]] * 3
    assert rows(whole) != rows(stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=60, at=AT)))


def test_a_list_has_an_end(stub: RecommendationServiceStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.questions.LONGEST_LIST", 25)

    answers = pages(stub.Recommend, pb.RecommendRequest(user_id="user-03", page_size=10, at=AT))

    assert [len(answer.results) for answer in answers] == [10, 10, 5]
    assert [list(answer.warnings) for answer in answers] == [[], [], ["the list ends here: it has at most 25 items"]]


def test_a_source_that_fails_in_between_brings_no_item_twice(
    stub: RecommendationServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=20, at=AT))
    with monkeypatch.context() as broken:
        broken.delattr(Factors, "retrieve")
        second = stub.Recommend(pb.RecommendRequest(page_token=first.next_page_token))
        changed = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=40, at=AT))
    third = stub.Recommend(pb.RecommendRequest(page_token=second.next_page_token))

    # Cutting the changed list at the same place would have shown some again.
    assert set(ids(first)) & set(ids(changed)[20:])
    assert list(second.degraded_reasons) == ["source_failed:als"]
    assert len(set(ids(first, second, third))) == len(ids(first, second, third)) == 59


def test_requests_of_a_batch_are_paged_like_any_other(stub: RecommendationServiceStub) -> None:
    asked = [pb.RecommendRequest(user_id=f"user-{i:02d}", page_size=20, at=AT) for i in range(3)]
    first = stub.BatchRecommend(pb.BatchRecommendRequest(requests=asked))
    follow = [pb.RecommendRequest(page_token=entry.response.next_page_token) for entry in first.responses]
    second = stub.BatchRecommend(pb.BatchRecommendRequest(requests=[*follow, pb.RecommendRequest(page_token="x")]))

    *answered, refused = second.responses
    for request, before, after in zip(asked, first.responses, answered, strict=True):
        request.page_size = 40
        assert rows(before.response, after.response) == rows(stub.Recommend(request))
    assert refused.status.code == INVALID.value[0]


def test_hundreds_of_excluded_items_are_repeated_with_the_token(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any]
) -> None:
    excluded = [f"{i * 7919 % 1_000_003:x}-{i * 104_729 % 1_000_003:x}" for i in range(999)]
    request = pb.RecommendRequest(user_id="user-03", page_size=20, at=AT, exclude_item_ids=["1-i01", *excluded])
    whole = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=200, at=AT, exclude_item_ids=["1-i01"]))

    answers = [stub.Recommend(request)]
    alone = failure_of(lambda: stub.Recommend(pb.RecommendRequest(page_token=answers[0].next_page_token)))
    while answers[-1].next_page_token:
        request.page_token = answers[-1].next_page_token
        answers.append(stub.Recommend(request))

    assert ids(*answers) == ids(whole)
    assert max(len(answer.next_page_token) for answer in answers) <= 8192
    assert (alone.code, "too long to be carried" in alone.message) == (INVALID, True)


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": "user-04"},
        {"serving_config": "discover"},
        {"exclude_item_ids": ["1-i01"]},
        {"at": Timestamp(seconds=5)},
    ],
)
def test_other_arguments_are_refused_on_the_page_token(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any], change: dict[str, Any]
) -> None:
    token = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=5)).next_page_token

    failure = failure_of(lambda: stub.Recommend(pb.RecommendRequest(page_token=token, **change)))

    (violation,) = failure.details["BadRequest"].field_violations
    (name,) = change
    assert (failure.code, violation.field) == (INVALID, "page_token")
    assert f"repeat its {name}, or leave it out" in violation.description


def test_what_is_wrong_with_a_token_is_told_with_everything_else(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any]
) -> None:
    for call in (
        lambda: stub.Recommend(pb.RecommendRequest(page_token="x", page_size=-1, platform="?")),
        lambda: stub.SimilarItems(pb.SimilarItemsRequest(page_token="x", page_size=-1, platform="?")),
    ):
        failure = failure_of(call)
        fields = {violation.field for violation in failure.details["BadRequest"].field_violations}
        assert (failure.code, fields) == (INVALID, {"page_token", "page_size", "platform"})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_token_whatever_is_more_than_an_invalid_argument(
    stub: RecommendationServiceStub, data: st.DataObject
) -> None:
    good = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=5)).next_page_token
    cut = st.integers(0, len(good) - 1).map(lambda end: good[:end])
    place = st.tuples(st.integers(0, len(good) - 1), st.characters(codec="utf-8"))
    changed = place.map(lambda at: good[: at[0]] + at[1] + good[at[0] + 1 :])
    token = data.draw(st.text(min_size=1, max_size=9000) | cut | changed)
    if token in ("", good):
        return
    calls = (
        lambda: stub.Recommend(pb.RecommendRequest(page_token=token)),
        lambda: stub.SimilarItems(pb.SimilarItemsRequest(page_token=token)),
    )
    for call in calls:
        with pytest.raises(grpc.RpcError) as raised:
            call()
        assert raised.value.code() is INVALID


def test_servers_with_one_key_go_on_with_each_others_lists_and_a_stranger_does_not(
    snapshots: Path, listen: Callable[..., str], failure_of: Callable[..., Any]
) -> None:
    targets = [listen(snapshots, token_key=key) for key in (KEY, KEY, OTHER_KEY)]
    channels = [grpc.insecure_channel(target) for target in targets]
    one, two, stranger = map(RecommendationServiceStub, channels)
    whole = one.Recommend(pb.RecommendRequest(user_id="user-03", page_size=60, at=AT))
    first = one.Recommend(pb.RecommendRequest(user_id="user-03", page_size=30, at=AT))
    follow = pb.RecommendRequest(page_token=first.next_page_token)

    assert rows(first, two.Recommend(follow)) == rows(whole)
    failure = failure_of(lambda: stranger.Recommend(follow))
    assert (failure.code, failure.message) == (
        INVALID,
        "page_token must be one that this server returned, unchanged",
    )
    for channel in channels:
        channel.close()


@pytest.mark.parametrize("size", [1, 3, 7, 29])
@pytest.mark.parametrize("config", ["home", "discover", "buy-again"])
def test_pages_of_a_filtered_list_that_is_filled_are_the_long_list(
    stub: RecommendationServiceStub, config: str, size: int
) -> None:
    request = pb.RecommendRequest(
        user_id="user-03", serving_config=config, filter='brand = "Own"', strict_filtering=False, at=AT
    )
    whole, paged = pb.RecommendRequest(), pb.RecommendRequest()
    whole.CopyFrom(request)
    whole.page_size = 100
    paged.CopyFrom(request)
    paged.page_size = size

    at_once = stub.Recommend(whole)

    assert rows(*pages(stub.Recommend, paged)) == rows(at_once)
    passes = [int(name.removeprefix("1-i")) % 2 == 0 for name in ids(at_once)]
    assert passes == sorted(passes, reverse=True)
    assert not all(passes)
