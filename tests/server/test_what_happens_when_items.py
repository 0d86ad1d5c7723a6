"""What the README says of items between two rebuilds, row by row and over the wire: one worker is told, one asked."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1.catalog_service_pb2 import DeleteItemsRequest, SetInventoryRequest, UpsertItemsRequest
from protos.recommender.v1.item_pb2 import Item

from .readme_rows import ROWS, Row
from .stateful import Shop, Shops

ITEM = "1-i07"


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Row:
    """What the README says of the test that asks."""
    return ROWS[request.node.originalname]


@pytest.fixture
def running(shop: Shops) -> Shop:
    return shop(clock="snapshot")


def shown(running: Shop) -> set[str]:
    return {result.item_id for result in running.recommend().results}


def test_an_item_that_was_just_sold_out(running: Shop, row: Row) -> None:
    assert ITEM in shown(running)
    assert running.catalog.SetInventory(SetInventoryRequest(item_id=ITEM, stock=0)).applied
    answer = running.recommend(return_items=True)

    row.is_answered(answer)
    assert ITEM not in {result.item_id for result in answer.results}
    everything = running.recommend(return_items=True, include_out_of_stock=True)
    assert {result.item_id: result.item.in_stock for result in everything.results}[ITEM] is False


def test_an_item_that_was_just_deleted(running: Shop, row: Row) -> None:
    running.catalog.DeleteItems(DeleteItemsRequest(item_ids=[ITEM]))
    answer = running.recommend(context_item_ids=[ITEM], include_out_of_stock=True)

    row.is_answered(answer)
    assert list(answer.missing_ids) == [ITEM]
    assert ITEM not in {result.item_id for result in answer.results}


def test_an_item_that_just_came(running: Shop, row: Row) -> None:
    new = Item(item_id="new", title="Just in", category="Food > Shelf 1")
    running.catalog.UpsertItems(UpsertItemsRequest(items=[new], allow_missing=True))
    answer = running.recommend(return_items=True)

    row.is_answered(answer)
    assert {result.item_id: result.item.title for result in answer.results}["new"] == "Just in"


def test_an_item_that_breaks_a_rule(running: Shop, row: Row) -> None:
    items = [Item(item_id=ITEM, price=-1), Item(item_id=ITEM, price=1)]
    answer = running.catalog.UpsertItems(UpsertItemsRequest(items=items))

    row.is_answered(answer)
    assert [status.code for status in answer.statuses] == [3, 0]
    (price,) = [result.item.price for result in running.recommend(return_items=True).results if result.item_id == ITEM]
    assert price == 1


def test_an_id_to_delete_that_breaks_a_rule(running: Shop, row: Row) -> None:
    answer = running.catalog.DeleteItems(DeleteItemsRequest(item_ids=["x" * 129, ITEM]))

    row.is_answered(answer)
    assert [status.code for status in answer.statuses] == [3, 0]
    assert ITEM not in shown(running)


def test_stock_that_is_older_than_what_is_known(running: Shop, row: Row) -> None:
    later = running.catalog.SetInventory(SetInventoryRequest(item_id=ITEM, stock=0, set_time=Timestamp(seconds=2000)))
    older = running.catalog.SetInventory(SetInventoryRequest(item_id=ITEM, stock=9, set_time=Timestamp(seconds=1000)))

    row.is_answered(later)
    assert not older.applied
    assert ITEM not in shown(running)


def test_stock_of_an_item_nobody_knows(running: Shop, row: Row) -> None:
    row.is_answered(running.catalog.SetInventory(SetInventoryRequest(item_id="new", stock=0)))
    running.catalog.UpsertItems(UpsertItemsRequest(items=[Item(item_id="new", title="New")], allow_missing=True))
    assert "new" not in shown(running)


def test_the_catalogue_as_it_was_asked_for_last_answers_while_the_store_is_away(running: Shop) -> None:
    running.catalog.UpsertItems(UpsertItemsRequest(items=[Item(item_id="new", title="New")], allow_missing=True))
    running.catalog.DeleteItems(DeleteItemsRequest(item_ids=[ITEM]))
    assert "new" in shown(running)
    for file in running.state.glob("*.db*"):
        file.write_bytes(b"no database")

    answer = running.recommend()

    assert list(answer.degraded_reasons) == ["state_unavailable"]
    assert ITEM not in {result.item_id for result in answer.results}
    assert "new" in {result.item_id for result in answer.results}
