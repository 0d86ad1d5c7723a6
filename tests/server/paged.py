"""Lists page by page, for tests: what was shown, and all pages of a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1 import recommendation_service_pb2 as pb

from .tiny_shop import LAST_EVENT_AT

AT = Timestamp(seconds=LAST_EVENT_AT + 1)


def ids(*responses: pb.RecommendResponse) -> list[str]:
    return [result.item_id for response in responses for result in response.results]


def rows(*responses: pb.RecommendResponse) -> list[bytes]:
    return [row.SerializeToString(deterministic=True) for response in responses for row in response.results]


def pages(ask: Callable[[Any], pb.RecommendResponse], request: Any) -> list[pb.RecommendResponse]:
    """All pages; the later ones are asked for by nothing but their token."""
    answers = [ask(request)]
    while answers[-1].next_page_token:
        answers.append(ask(type(request)(page_token=answers[-1].next_page_token)))
    return answers
