"""Attributes that are lists or true and false, over the wire: filtered, told, and changed while two servers answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import numpy as np
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.attribute_pb2 import AttributeValue, TextList
from protos.recommender.v1.catalog_service_pb2 import GetItemRequest, UpsertItemsRequest
from protos.recommender.v1.catalog_service_pb2_grpc import CatalogServiceStub
from protos.recommender.v1.item_pb2 import Item
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.filters.columns import Booleans, TextLists
from recsys.filters.kept import Filters
from recsys.snapshot.store import SnapshotStore

from .paged import AT, ids
from .tiny_shop import N_ITEMS, commit_tiny, searchable_snapshot

NUMBERS = np.arange(N_ITEMS)
VEGAN = {f"1-i{i:02d}" for i in range(0, N_ITEMS, 6)}
ORGANIC = {f"1-i{i:02d}" for i in range(1, N_ITEMS, 2) if i % 3}


class Shop(NamedTuple):
    """One server: its catalogue and its answers."""

    catalog: CatalogServiceStub
    answers: RecommendationServiceStub

    def shown(self, filter: str) -> set[str]:
        request = pb.RecommendRequest(at=AT, page_size=200, filter=filter, include_out_of_stock=True)
        return set(ids(self.answers.Recommend(request)))

    def upsert(self, *items: Item, paths: tuple[str, ...] = ()) -> Any:
        mask = FieldMask(paths=paths) if paths else None
        return self.catalog.UpsertItems(UpsertItemsRequest(items=items, update_mask=mask, allow_missing=True)).statuses

    def attributes(self, item_id: str) -> Mapping[str, AttributeValue]:
        return self.catalog.GetItem(GetItemRequest(item_id=item_id)).attributes


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every sixth item is vegan, and those of odd numbers organic or not, but for every third."""
    root = tmp_path_factory.mktemp("kinds")
    shop = searchable_snapshot(1)
    attributes = {
        "tags": TextLists.of(("Vegan", f"shelf {i % 4}") if i % 6 == 0 else () for i in range(N_ITEMS)),
        "organic": Booleans(NUMBERS % 2 == 1, NUMBERS % 3 > 0),
    }
    whole = replace(shop, filters=Filters.of(shop.catalogue, attributes))
    SnapshotStore(root).publish(commit_tiny(root, whole))
    return root


def _shop(target: str) -> Iterator[Shop]:
    with grpc.insecure_channel(target) as channel:
        yield Shop(CatalogServiceStub(channel), RecommendationServiceStub(channel))


@pytest.fixture
def one(root: Path, tmp_path: Path, listen: Callable[..., str]) -> Iterator[Shop]:
    yield from _shop(listen(root, state=str(tmp_path / "state")))


@pytest.fixture
def other(root: Path, tmp_path: Path, listen: Callable[..., str], one: Shop) -> Iterator[Shop]:
    """Another server beside ``one``."""
    yield from _shop(listen(root, state=str(tmp_path / "state")))


def tags(*values: str) -> AttributeValue:
    return AttributeValue(texts=TextList(values=values))


def test_recommend_search_and_similar_items_filter_by_lists_and_flags(one: Shop) -> None:
    assert one.shown("attributes.tags:vegan") == VEGAN
    assert one.shown("attributes.organic = true") == ORGANIC
    assert one.shown("attributes.organic = false AND NOT attributes.tags:*") == {
        f"1-i{i:02d}" for i in range(0, N_ITEMS, 2) if i % 3
    }
    filter = 'attributes.tags:("VEGAN" "shelf 2")'
    found = one.answers.Search(pb.SearchRequest(query="shelf 2", filter=filter, at=AT, page_size=100))
    assert set(ids(found)) == {item for item in VEGAN if int(item[-2:]) % 4 == 2}
    similar = one.answers.SimilarItems(pb.SimilarItemsRequest(item_id="1-i01", filter="attributes.tags:vegan", at=AT))
    assert 0 < len(similar.results) == len(set(ids(similar)) & VEGAN)


def test_answers_tell_lists_as_texts_and_booleans_as_flags(one: Shop) -> None:
    request = pb.RecommendRequest(at=AT, page_size=200, return_items=True)
    items = {result.item_id: result.item for result in one.answers.Recommend(request).results}
    assert items["1-i06"].attributes == {"tags": tags("Vegan", "shelf 2")}
    assert items["1-i07"].attributes == {"organic": AttributeValue(flag=True)}
    assert items["1-i08"].attributes == {"organic": AttributeValue(flag=False)}
    assert not items["1-i03"].attributes


def test_what_an_upsert_sets_is_filtered_and_told_at_once_by_every_server(one: Shop, other: Shop) -> None:
    new = Item(item_id="new", title="New", attributes={"tags": tags(" vegan ", "", "limited"), "organic": flag(True)})
    assert [status.code for status in one.upsert(new)] == [Code.OK]
    one.upsert(Item(item_id="1-i00", attributes={"tags": tags("limited"), "organic": AttributeValue(text="FALSE")}))
    for shop in (one, other):
        assert shop.shown("attributes.tags:vegan") == VEGAN - {"1-i00"} | {"new"}
        assert shop.shown("attributes.tags:limited") == {"new", "1-i00"}
        assert shop.shown("attributes.organic = true") == ORGANIC | {"new"}
        assert shop.attributes("new") == {"tags": tags("vegan", "limited"), "organic": flag(True)}
        assert shop.attributes("1-i00") == {"tags": tags("limited"), "organic": flag(False)}
        found = shop.answers.Search(pb.SearchRequest(query="new", filter="attributes.tags:limited", at=AT))
        assert ids(found) == ["new"]


def test_a_list_is_replaced_as_a_whole_and_an_empty_one_clears_it(one: Shop) -> None:
    one.upsert(Item(item_id="1-i06", attributes={"tags": tags()}))
    one.upsert(Item(item_id="1-i12", title="Named"), paths=("title", "attributes.tags"))
    one.upsert(Item(item_id="1-i18", attributes={"tags": tags("fresh")}), paths=("attributes",))
    assert one.shown("attributes.tags:vegan") == VEGAN - {"1-i06", "1-i12", "1-i18"}
    assert one.shown("attributes.tags:*") == VEGAN - {"1-i06", "1-i12"}
    assert one.attributes("1-i18") == {"tags": tags("fresh")}


def test_lists_and_flags_that_no_snapshot_has_are_filtered_as_what_they_are(one: Shop, other: Shop) -> None:
    one.upsert(
        Item(item_id="1-i10", attributes={"fits": tags("Kitchen", "garden"), "refurbished": flag(False)}),
        Item(item_id="1-i11", attributes={"fits": AttributeValue(text="garden"), "refurbished": flag(True)}),
    )
    for shop in (one, other):
        assert shop.shown("attributes.fits:garden") == {"1-i10", "1-i11"}
        assert shop.shown("attributes.fits:kitchen") == {"1-i10"}
        assert shop.shown("attributes.refurbished = false") == {"1-i10"}
        assert shop.attributes("1-i11")["fits"] == tags("garden")


def test_lists_that_are_too_long_are_refused_with_all_that_is_wrong(one: Shop) -> None:
    attributes = {"many": tags(*("x" * 101)), "long": tags("x", "y" * 1001), "good": tags(*("x" * 100))}
    (status,) = one.upsert(Item(item_id="new", attributes=attributes))
    details = BadRequest()
    assert any(detail.Unpack(details) for detail in status.details)
    assert {violation.field: violation.description for violation in details.field_violations} == {
        "items[0].attributes.long.texts.values[1]": (
            "items[0].attributes.long.texts.values[1] must be at most 1000 characters, got 1001"
        ),
        "items[0].attributes.many.texts.values": (
            "items[0].attributes.many.texts.values must have at most 100 entries, got 101"
        ),
    }


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        ('attributes.tags = "vegan"', "filter: attributes.tags is a list of text: only : compares it at position 0"),
        (
            "attributes.organic = 1",
            'filter: attributes.organic must be compared with true or false, got "1" at position 21',
        ),
    ],
)
def test_a_filter_that_takes_them_for_something_else_is_refused(
    one: Shop, failure_of: Callable[..., Any], filter: str, message: str
) -> None:
    failure = failure_of(lambda: one.shown(filter))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    (violation,) = failure.details["BadRequest"].field_violations
    assert (violation.field, violation.description) == ("filter", message)


def flag(value: bool) -> AttributeValue:
    return AttributeValue(flag=value)
