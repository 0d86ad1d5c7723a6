"""CatalogService over the wire: two servers of one snapshot and one state store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status

from protos.recommender.v1 import catalog_service_pb2 as catalog
from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.attribute_pb2 import AttributeValue
from protos.recommender.v1.item_pb2 import Item

from .catalog_shop import KETTLE, Shop, shop_at
from .paged import AT, ids, pages
from .tiny_shop import publish_searchable

Listen = Callable[..., str]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("searchable")
    publish_searchable(root)
    return root


@pytest.fixture
def one(root: Path, tmp_path: Path, listen: Listen) -> Iterator[Shop]:
    yield from shop_at(listen(root, state=str(tmp_path / "state")))


@pytest.fixture
def other(root: Path, tmp_path: Path, listen: Listen, one: Shop) -> Iterator[Shop]:
    """Another server beside ``one``."""
    yield from shop_at(listen(root, state=str(tmp_path / "state")))


def test_a_new_item_is_in_the_next_answers_of_every_server(one: Shop, other: Shop) -> None:
    assert one.upsert(KETTLE) == [Code.OK]
    for shop in (one, other):
        assert KETTLE.item_id in shop.shown()
        assert shop.found("kettle")[0] == KETTLE.item_id
        assert shop.shown(filter='attributes.colour = "red"') == [KETTLE.item_id]
        assert shop.shown(filter="attributes.watts > 1000 AND price < 30") == [KETTLE.item_id]
        assert shop.shown(filter='category:"Kitchen"') == [KETTLE.item_id]
    answer = other.answers.Recommend(pb.RecommendRequest(at=AT, filter="price = 25.5", return_items=True))
    shown = answer.results[0].item
    assert (shown.title, shown.brand, shown.price, shown.in_stock) == ("Kettle of steel", "Own", 25.5, True)
    assert {name: value.WhichOneof("kind") for name, value in shown.attributes.items()} == {
        "colour": "text",
        "watts": "number",
    }
    assert shown.created_at.seconds > 0


def test_both_servers_give_the_same_bytes(one: Shop, other: Shop) -> None:
    one.upsert(KETTLE, Item(item_id="another", title="Product another", category="Food"))
    other.upsert(Item(item_id="1-i07", title="Renamed"), Item(item_id="a third", title="Third"))
    for user_id in ("user-03", "user-11", ""):
        answers = [
            shop.answers.Recommend(
                pb.RecommendRequest(
                    user_id=user_id, page_size=100, at=AT, return_items=True, explain=pb.EXPLAIN_SUMMARY
                )
            )
            for shop in (one, other)
        ]
        for answer in answers:
            for field in ("request_id", "attribution_token", "next_page_token"):
                answer.ClearField(field)
        assert answers[0].SerializeToString(deterministic=True) == answers[1].SerializeToString(deterministic=True)


def test_what_was_deleted_is_gone_and_can_come_again(one: Shop, other: Shop, failure_of: Callable[..., Any]) -> None:
    one.upsert(KETTLE)
    request = catalog.DeleteItemsRequest(item_ids=["1-i07", KETTLE.item_id, "nobody's"])
    codes = [status.code for status in one.catalog.DeleteItems(request).statuses]
    assert codes == [Code.OK, Code.OK, Code.NOT_FOUND]
    for shop in (other, one):
        assert not {"1-i07", KETTLE.item_id} & set(shop.shown(include_out_of_stock=True))
        assert shop.found("kettle") == []
        assert failure_of(lambda shop=shop: shop.item("1-i07")).code is grpc.StatusCode.NOT_FOUND
    gone = failure_of(lambda: other.answers.SimilarItems(pb.SimilarItemsRequest(item_id="1-i07", at=AT)))
    assert gone.code is grpc.StatusCode.NOT_FOUND

    assert other.upsert(Item(item_id="1-i07", price=3.0), create=False) == [Code.NOT_FOUND]
    assert other.upsert(Item(item_id="1-i07", price=3.0)) == [Code.OK]
    assert "1-i07" in one.shown()
    assert one.item("1-i07").price == 3.0


def test_an_item_that_comes_again_is_the_one_that_the_snapshot_knows_and_no_new_one(one: Shop, other: Shop) -> None:
    def comes_again(**fields: Any) -> Item:
        one.catalog.DeleteItems(catalog.DeleteItemsRequest(item_ids=["1-i07"]))
        assert one.upsert(Item(item_id="1-i07", **fields)) == [Code.OK]
        return other.item("1-i07")

    before = one.item("1-i07")
    assert comes_again() == before
    at = Timestamp(seconds=1_600_000_000)
    assert comes_again(created_at=at).created_at == at
    # What was said of it was said of one that is gone.
    assert comes_again(price=3.0).created_at == before.created_at


def test_what_is_sold_out_is_gone_from_the_next_answer_and_an_older_set_time_loses(one: Shop, other: Shop) -> None:
    def set_to(stock: int, seconds: int) -> tuple[bool, bool]:
        request = catalog.SetInventoryRequest(item_id="1-i07", stock=stock, set_time=Timestamp(seconds=seconds))
        answer = one.catalog.SetInventory(request)
        return answer.applied, answer.held

    assert set_to(0, 1000) == (True, False)
    assert "1-i07" not in other.shown()
    assert "1-i07" in other.shown(include_out_of_stock=True)
    assert set_to(5, 999) == (False, False)
    assert "1-i07" not in other.shown()
    assert set_to(5, 1001) == (True, False)
    assert "1-i07" in other.shown()
    assert other.item("1-i07").stock == 5
    # The snapshot's own item that is sold out comes back in.
    assert "1-i05" not in one.shown()
    other.catalog.SetInventory(catalog.SetInventoryRequest(item_id="1-i05", stock=1, price=7.5))
    assert "1-i05" in one.shown()
    assert one.item("1-i05").price == 7.5


def test_inventory_of_an_item_that_is_not_known_yet_waits_for_it(one: Shop, other: Shop) -> None:
    request = catalog.SetInventoryRequest(item_id=KETTLE.item_id, stock=0)
    answer = one.catalog.SetInventory(request)
    assert (answer.applied, answer.held) == (False, True)
    other.upsert(Item(item_id=KETTLE.item_id, title="Kettle"))
    assert KETTLE.item_id not in one.shown()
    assert other.item(KETTLE.item_id).HasField("stock")


def test_a_mask_changes_what_it_names_and_clears_what_is_not_given(one: Shop, other: Shop) -> None:
    one.upsert(KETTLE)
    changed = Item(item_id=KETTLE.item_id, title="Urn", price=1.0, attributes={"watts": AttributeValue(number=9)})
    assert other.upsert(changed, paths=("title", "brand", "attributes.colour")) == [Code.OK]
    now = one.item(KETTLE.item_id)
    assert (now.title, now.brand, now.price, set(now.attributes)) == ("Urn", "", 25.5, {"watts"})
    assert now.attributes["watts"].number == 1500

    other.upsert(changed, paths=("attributes",))
    assert {name: value.number for name, value in one.item(KETTLE.item_id).attributes.items()} == {"watts": 9}
    other.upsert(Item(item_id=KETTLE.item_id), paths=("attributes",))
    assert not one.item(KETTLE.item_id).attributes

    other.upsert(Item(item_id=KETTLE.item_id, in_stock=False), paths=("in_stock",))
    assert KETTLE.item_id not in one.shown()
    other.upsert(Item(item_id=KETTLE.item_id, title="Whole"), paths=("*",))
    now = one.item(KETTLE.item_id)
    assert (now.title, now.category, now.HasField("price")) == ("Whole", "", False)


def _fields(status: Status) -> list[str]:
    """What a status says is wrong."""
    details = BadRequest()
    assert any(detail.Unpack(details) for detail in status.details)
    return [violation.field for violation in details.field_violations]


def test_every_item_has_a_status_with_all_that_is_wrong(one: Shop) -> None:
    request = catalog.UpsertItemsRequest(
        items=[
            Item(item_id="good", title="Good"),
            Item(item_id="", price=-1, stock=-2, attributes={"": AttributeValue(text="x"), "y": AttributeValue()}),
            Item(item_id="missing", title="Only with allow_missing"),
            Item(item_id="1-i03", description="x" * 5001),
        ]
    )
    statuses = one.catalog.UpsertItems(request).statuses
    assert [status.code for status in statuses] == [
        Code.NOT_FOUND,
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND,
        Code.INVALID_ARGUMENT,
    ]
    assert [_fields(status) for status in (statuses[1], statuses[3])] == [
        ["items[1].item_id", "items[1].price", "items[1].stock", "items[1].attributes", "items[1].attributes.y"],
        ["items[3].description"],
    ]


def test_an_id_that_breaks_a_rule_keeps_no_other_item_in(one: Shop) -> None:
    named = ["x" * 129, "1-i07", "", "nobody's", "1-i08\n", "1-i08"]
    statuses = one.catalog.DeleteItems(catalog.DeleteItemsRequest(item_ids=named)).statuses
    assert [status.code for status in statuses] == [
        Code.INVALID_ARGUMENT,
        Code.OK,
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND,
        Code.INVALID_ARGUMENT,
        Code.OK,
    ]
    assert [_fields(statuses[place]) for place in (0, 2, 4)] == [["item_ids[0]"], ["item_ids[2]"], ["item_ids[4]"]]
    assert not {"1-i07", "1-i08"} & set(one.shown(include_out_of_stock=True))


@pytest.mark.parametrize(
    ("call", "request_", "fields"),
    [
        (
            "UpsertItems",
            catalog.UpsertItemsRequest(update_mask=FieldMask(paths=["title", "colour", "attributes."])),
            ["update_mask.paths[1]", "update_mask.paths[2]"],
        ),
        ("UpsertItems", catalog.UpsertItemsRequest(items=[Item(item_id="x")] * 1001), ["items"]),
        ("SetInventory", catalog.SetInventoryRequest(item_id="x"), ["stock"]),
        (
            "SetInventory",
            catalog.SetInventoryRequest(stock=-1, price=-1, set_time=Timestamp(seconds=4_000_000_000)),
            ["item_id", "stock", "price", "set_time"],
        ),
        ("DeleteItems", catalog.DeleteItemsRequest(item_ids=["x"] * 1001), ["item_ids"]),
        ("GetItem", catalog.GetItemRequest(), ["item_id"]),
    ],
)
def test_a_request_that_breaks_rules_is_refused_with_all_of_them(
    one: Shop, failure_of: Callable[..., Any], call: str, request_: Any, fields: list[str]
) -> None:
    failure = failure_of(lambda: getattr(one.catalog, call)(request_))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in failure.details["BadRequest"].field_violations] == fields


def test_nothing_given_is_nothing_done(one: Shop) -> None:
    assert one.upsert() == []
    assert not one.catalog.DeleteItems(catalog.DeleteItemsRequest()).statuses


def test_without_a_state_store_the_catalogue_cannot_change(
    root: Path, listen: Listen, failure_of: Callable[..., Any]
) -> None:
    for shop in shop_at(listen(root)):
        failure = failure_of(lambda shop=shop: shop.upsert(KETTLE))
        assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
        assert failure.details["ErrorInfo"].reason == "NO_STATE"


def test_pages_go_on_while_items_come(one: Shop) -> None:
    first = one.answers.Recommend(pb.RecommendRequest(user_id="user-03", page_size=20, at=AT))
    one.upsert(KETTLE)
    rest = pages(one.answers.Recommend, pb.RecommendRequest(page_token=first.next_page_token))
    seen = ids(first) + ids(*rest)
    assert len(seen) == len(set(seen))
    assert KETTLE.item_id in seen
