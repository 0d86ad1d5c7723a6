"""What the README says of requests, row by row and over the wire. States of the server: the module beside this one."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.sealing import keys_of, new_key
from server.clock import wall_time
from server.page_tokens import LIFETIME_S, PageTokens

from .paged import AT, ids
from .readme_rows import ROWS, Row
from .text_encoders import broken
from .tiny_shop import ALL_ITEMS, N_ITEMS, OUT_OF_STOCK, publish_searchable

MODULES = [
    Path(__file__),
    *map(
        Path(__file__).with_name,
        ("test_what_happens_when_serving.py", "test_what_happens_when_live.py", "test_what_happens_when_items.py"),
    ),
]
USER = "user-03"
SOLD_OUT = ALL_ITEMS[OUT_OF_STOCK]


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Row:
    """What the README says of the test that asks."""
    return ROWS[request.node.originalname]


def asked(**fields: Any) -> pb.RecommendRequest:
    return pb.RecommendRequest(**{"user_id": USER, "at": AT, **fields})


def test_rows_of_the_readme_and_tests_are_the_same() -> None:
    names = [
        node.name
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and "row" in {argument.arg for argument in node.args.args}
    ]

    assert sorted(names) == sorted(ROWS)
    assert len(ROWS) > 20
    assert all(row.code in grpc.StatusCode.__members__ and row.said_by for row in ROWS.values())


def test_an_unknown_user(stub: RecommendationServiceStub, row: Row) -> None:
    answer = stub.Recommend(asked(user_id="nobody"))

    row.is_answered(answer)
    assert answer.served_by == pb.SERVED_BY_POPULAR
    assert len(answer.results) == 20


def test_an_unknown_context_item(stub: RecommendationServiceStub, row: Row, failure_of: Callable[..., Any]) -> None:
    answer = stub.Recommend(asked(context_item_ids=["1-i03", "nothing"]))

    row.is_answered(answer)
    assert list(answer.missing_ids) == ["nothing"]
    assert ids(answer) == ids(stub.Recommend(asked(context_item_ids=["1-i03"])))
    similar = asked(serving_config="similar", context_item_ids=["1-i03", "nothing"])
    assert failure_of(lambda: stub.Recommend(similar)).code is grpc.StatusCode.NOT_FOUND


def test_an_unknown_item_in_similaritems(
    stub: RecommendationServiceStub, row: Row, failure_of: Callable[..., Any]
) -> None:
    failure = failure_of(lambda: stub.SimilarItems(pb.SimilarItemsRequest(item_id="nothing")))

    row.is_refused(failure.code, failure.details)
    assert failure.details["ResourceInfo"].resource_name == "nothing"


def test_a_search_that_nothing_fits(stub: RecommendationServiceStub, row: Row) -> None:
    answer = stub.Search(pb.SearchRequest(query="snow tyres", user_id=USER, at=AT))

    row.is_answered(answer)
    assert not answer.results


def test_a_search_without_a_text_encoder_or_while_it_fails(
    tmp_path: Path, listen: Callable[..., str], row: Row
) -> None:
    publish_searchable(tmp_path)
    with broken(grpc.StatusCode.INTERNAL) as (address, _):
        for encoder in ("", address):
            with grpc.insecure_channel(listen(tmp_path, encoder=encoder)) as channel:
                answer = RecommendationServiceStub(channel).Search(pb.SearchRequest(query="product 17", at=AT))
                row.is_answered(answer)
                assert ids(answer)[0] == "1-i17"


def test_an_unknown_item_in_exclude(stub: RecommendationServiceStub, row: Row) -> None:
    shown = ids(stub.Recommend(asked()))

    answer = stub.Recommend(asked(exclude_item_ids=[shown[0], "nothing"]))

    row.is_answered(answer)
    assert list(answer.missing_ids) == ["nothing"]
    assert shown[0] not in ids(answer)


def test_more_asked_than_there_are(stub: RecommendationServiceStub, row: Row) -> None:
    all_there_is, less = stub.Recommend(asked(page_size=1000)), stub.Recommend(asked(page_size=N_ITEMS - 2))

    row.is_answered(all_there_is, less)
    assert list(all_there_is.warnings) == ["only 59 of 200 results: no more items fit serving config home"]
    assert not all_there_is.next_page_token
    rest = stub.Recommend(pb.RecommendRequest(page_token=less.next_page_token))
    assert ids(less, rest) == ids(all_there_is)


def test_nothing_passes_the_filter(stub: RecommendationServiceStub, row: Row) -> None:
    empty = stub.Recommend(asked(filter="price > 1000"))
    filled = stub.Recommend(asked(filter="price > 1000", strict_filtering=False))

    row.is_answered(empty)
    row.is_answered(filled)
    assert ids(empty) == []
    assert empty.warnings[0] == "no item of the catalogue passes the filter"
    assert len(filled.results) == 20
    assert any("ignore it" in warning for warning in filled.warnings)


def test_a_field_breaks_a_rule(stub: RecommendationServiceStub, row: Row, failure_of: Callable[..., Any]) -> None:
    bad = asked(page_size=-1, user_id="x" * 129, exclude_item_ids=["x", "y" * 129])

    failure = failure_of(lambda: stub.Recommend(bad))

    row.is_refused(failure.code, failure.details)
    fields = [violation.field for violation in failure.details["BadRequest"].field_violations]
    assert fields == ["user_id", "page_size", "exclude_item_ids[1]"]


def test_an_unknown_serving_config(stub: RecommendationServiceStub, row: Row, failure_of: Callable[..., Any]) -> None:
    failure = failure_of(lambda: stub.Recommend(asked(serving_config="nothing")))

    row.is_refused(failure.code, failure.details)
    assert failure.details["ResourceInfo"].resource_type == "serving_config"


def test_a_bad_request_in_a_batch(stub: RecommendationServiceStub, row: Row) -> None:
    batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=[asked(page_size=-1), asked()]))

    row.is_answered(batch)
    assert [entry.WhichOneof("outcome") for entry in batch.responses] == ["status", "response"]
    assert ids(batch.responses[1].response) == ids(stub.Recommend(asked()))


def test_out_of_stock_in_the_snapshot(stub: RecommendationServiceStub, row: Row) -> None:
    without = stub.Recommend(asked(page_size=200, return_items=True))
    with_it = stub.Recommend(asked(page_size=200, return_items=True, include_out_of_stock=True))

    row.is_answered(without)
    row.is_answered(with_it)
    assert SOLD_OUT not in ids(without)
    assert [result.item_id for result in with_it.results if not result.item.in_stock] == [SOLD_OUT]


@pytest.mark.parametrize("change", ["forged", "cut", "another key", "other arguments"])
def test_a_wrong_page_token(
    stub: RecommendationServiceStub, row: Row, failure_of: Callable[..., Any], change: str
) -> None:
    token = stub.Recommend(asked(page_size=5)).next_page_token
    wrong = {
        "forged": pb.RecommendRequest(page_token="A" + token[1:] if token[0] != "A" else "B" + token[1:]),
        "cut": pb.RecommendRequest(page_token=token[:-5]),
        "another key": pb.RecommendRequest(
            page_token=PageTokens(keys_of(new_key()), wall_time).issue(version="v", shown=[1], request=asked())
        ),
        "other arguments": asked(page_token=token, serving_config="discover"),
    }

    failure = failure_of(lambda: stub.Recommend(wrong[change]))

    row.is_refused(failure.code, failure.details)
    assert [violation.field for violation in failure.details["BadRequest"].field_violations] == ["page_token"]


def test_the_life_of_a_token_is_the_one_the_readme_names() -> None:
    assert LIFETIME_S == 30 * 60
