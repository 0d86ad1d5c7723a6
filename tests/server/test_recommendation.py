"""Answers over a real connection, from a tiny published snapshot."""

from __future__ import annotations

import grpc
import pytest

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub


@pytest.fixture
def stub(channel: grpc.Channel) -> RecommendationServiceStub:
    return RecommendationServiceStub(channel)


def test_x(stub):
    r = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=5, explain="EXPLAIN_SUMMARY", return_items=True))
    print(r)
    print(stub.SimilarItems(pb.SimilarItemsRequest(item_id="1-i03", page_size=2, explain=2)))
    print(stub.Recommend(pb.RecommendRequest(user_id="zzz", page_size=2, explain=2)))
    print(stub.BatchRecommend(pb.BatchRecommendRequest(requests=[pb.RecommendRequest(user_id="zzz", page_size=2), pb.RecommendRequest(user_id="zzz", page_size=-2)])))
