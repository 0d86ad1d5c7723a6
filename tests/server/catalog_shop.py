"""One server's catalogue and its answers, and an item that it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from protos.recommender.v1 import catalog_service_pb2 as catalog
from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.attribute_pb2 import AttributeValue
from protos.recommender.v1.catalog_service_pb2_grpc import CatalogServiceStub
from protos.recommender.v1.item_pb2 import Item
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub

from .paged import AT, ids

PATIENCE_S = 30.0


class Shop(NamedTuple):
    """One server: its catalogue and its answers."""

    catalog: CatalogServiceStub
    answers: RecommendationServiceStub

    def shown(self, **fields: Any) -> list[str]:
        return ids(self.answers.Recommend(pb.RecommendRequest(**{"at": AT, "page_size": 200, **fields})))

    def found(self, query: str, **fields: Any) -> list[str]:
        return ids(self.answers.Search(pb.SearchRequest(query=query, at=AT, **fields)))

    def upsert(self, *items: Item, paths: tuple[str, ...] = (), create: bool = True) -> list[int]:
        mask = FieldMask(paths=paths) if paths else None
        request = catalog.UpsertItemsRequest(items=items, update_mask=mask, allow_missing=create)
        return [status.code for status in self.catalog.UpsertItems(request).statuses]

    def item(self, item_id: str) -> Item:
        return self.catalog.GetItem(catalog.GetItemRequest(item_id=item_id))


def shop_at(target: str) -> Iterator[Shop]:
    with grpc.insecure_channel(target) as channel:
        yield Shop(CatalogServiceStub(channel), RecommendationServiceStub(channel))


KETTLE = Item(
    item_id="new-kettle",
    title="Kettle of steel",
    category="Kitchen > Shelf 2",
    brand="Own",
    price=25.5,
    attributes={"colour": AttributeValue(text="red"), "watts": AttributeValue(number=1500)},
)
