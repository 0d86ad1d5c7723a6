"""Attribution tokens: what an answer says of itself can be read back, and a forged one is told apart."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import grpc

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.attribution import LONGEST_ATTRIBUTION_TOKEN, Attribution, Attributions
from recsys.sealing import keys_of
from server.page_tokens import PageTokens

KEY = "5eed" * 16
VERSION = "20261124T183237Z-149f3bdbb567"


def issued(attributions: Attributions, serving_config: str = "home") -> str:
    return attributions.issue(
        snapshot_version=VERSION, serving_config=serving_config, request_id="ab" * 16, served_by=pb.SERVED_BY_POPULAR
    )


def test_an_answers_token_names_it_and_no_user_over_the_wire(snapshots: Path, listen: Callable[..., str]) -> None:
    attributions = Attributions(keys_of(KEY), lambda: 0)
    with grpc.insecure_channel(listen(snapshots, token_key=KEY)) as channel:
        stub = RecommendationServiceStub(channel)
        request = pb.RecommendRequest(user_id="user-03", serving_config="discover")
        answers = [stub.Recommend(request), stub.SimilarItems(pb.SimilarItemsRequest(item_id="1-i03"))]
        batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=[request]))
        answers.append(batch.responses[0].response)

    opened = [attributions.opened(answer.attribution_token) for answer in answers]
    for answer, attribution, config in zip(answers, opened, ("discover", "similar", "discover"), strict=True):
        assert attribution is not None
        assert attribution == Attribution(
            answer.snapshot_version, config, answer.request_id, attribution.answered_at, answer.served_by
        )
        assert len(answer.attribution_token) <= LONGEST_ATTRIBUTION_TOKEN
        assert b"user-03" not in base64.urlsafe_b64decode(answer.attribution_token)
    assert len({answer.attribution_token for answer in answers}) == 3


def test_the_time_is_the_clocks_and_a_token_stays_good_however_old() -> None:
    at = [1_000]
    attributions = Attributions(keys_of(KEY), lambda: at[0])
    token = issued(attributions)
    at[0] += 10**9

    opened = attributions.opened(token)

    assert opened == Attribution(VERSION, "home", "ab" * 16, 1_000, pb.SERVED_BY_POPULAR)


def test_forged_changed_and_foreign_ones_are_told_apart() -> None:
    attributions = Attributions(keys_of(KEY), lambda: 0)
    token = issued(attributions)
    stranger = issued(Attributions((bytes(32),), lambda: 0))
    page = PageTokens(keys_of(KEY), lambda: 0).issue(version=VERSION, shown=[1], request=pb.RecommendRequest())

    assert attributions.opened(token) is not None
    for forged in ("", "x", token[:-1], token.swapcase(), stranger, page):
        assert attributions.opened(forged) is None


def test_the_longest_name_of_a_serving_config_fits() -> None:
    attributions = Attributions(keys_of(KEY), lambda: 2**40)

    assert len(issued(attributions, "🛒" * 128)) <= LONGEST_ATTRIBUTION_TOKEN
