"""Every RPC that the clients have, one line each."""

from __future__ import annotations

from collections.abc import Mapping

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from client.calls import Rpc, checked
from protos.recommender.v1 import catalog_service_pb2 as catalog
from protos.recommender.v1 import event_service_pb2 as event
from protos.recommender.v1 import item_pb2 as item
from protos.recommender.v1 import recommendation_service_pb2 as recommendation
from protos.recommender.v1 import snapshot_service_pb2 as snapshot
from protos.recommender.v1 import user_service_pb2 as user

_CATALOG = "recommender.v1.CatalogService"
_EVENT = "recommender.v1.EventService"
_RECOMMENDATION = "recommender.v1.RecommendationService"
_SNAPSHOT = "recommender.v1.SnapshotService"
_USER = "recommender.v1.UserService"
_Recommend, _Recommended = recommendation.RecommendRequest, recommendation.RecommendResponse
_Batch, _BatchDone = recommendation.BatchRecommendRequest, recommendation.BatchRecommendResponse
_Link, _Unlink = user.LinkIdentitiesRequest, user.UnlinkIdentitiesRequest
_Activate, _Configs = snapshot.ActivateSnapshotRequest, snapshot.ListServingConfigsRequest


class Rpcs:
    """What a server answers. Each attribute is called with a request or with its fields; see calls.BlockingCall."""

    recommend = Rpc(_RECOMMENDATION, "Recommend", _Recommend, _Recommended)
    batch_recommend = Rpc(_RECOMMENDATION, "BatchRecommend", _Batch, _BatchDone)
    similar_items = Rpc(_RECOMMENDATION, "SimilarItems", recommendation.SimilarItemsRequest, _Recommended)
    search = Rpc(_RECOMMENDATION, "Search", recommendation.SearchRequest, _Recommended)
    write_events = Rpc(_EVENT, "WriteEvents", event.WriteEventsRequest, event.WriteEventsResponse)
    purge_events = Rpc(_EVENT, "PurgeEvents", event.PurgeEventsRequest, event.PurgeEventsResponse)
    upsert_users = Rpc(_USER, "UpsertUsers", user.UpsertUsersRequest, user.UpsertUsersResponse)
    get_profile = Rpc(_USER, "GetProfile", user.GetProfileRequest, user.GetProfileResponse)
    link_identities = Rpc(_USER, "LinkIdentities", _Link, user.LinkIdentitiesResponse)
    unlink_identities = Rpc(_USER, "UnlinkIdentities", _Unlink, user.UnlinkIdentitiesResponse)
    delete_user = Rpc(_USER, "DeleteUser", user.DeleteUserRequest, user.DeleteUserResponse)
    get_serving = Rpc(_SNAPSHOT, "GetServing", snapshot.GetServingRequest, snapshot.GetServingResponse)
    list_snapshots = Rpc(_SNAPSHOT, "ListSnapshots", snapshot.ListSnapshotsRequest, snapshot.ListSnapshotsResponse)
    activate_snapshot = Rpc(_SNAPSHOT, "ActivateSnapshot", _Activate, snapshot.ActivateSnapshotResponse)
    list_serving_configs = Rpc(_SNAPSHOT, "ListServingConfigs", _Configs, snapshot.ListServingConfigsResponse)
    list_user_ids = Rpc(_SNAPSHOT, "ListUserIds", snapshot.ListUserIdsRequest, snapshot.ListUserIdsResponse)
    upsert_items = Rpc(_CATALOG, "UpsertItems", catalog.UpsertItemsRequest, catalog.UpsertItemsResponse)
    get_item = Rpc(_CATALOG, "GetItem", catalog.GetItemRequest, item.Item)
    set_inventory = Rpc(_CATALOG, "SetInventory", catalog.SetInventoryRequest, catalog.SetInventoryResponse)
    delete_items = Rpc(_CATALOG, "DeleteItems", catalog.DeleteItemsRequest, catalog.DeleteItemsResponse)
    check_health = Rpc("grpc.health.v1.Health", "Check", HealthCheckRequest, HealthCheckResponse)


RPCS = {name: rpc for name, rpc in vars(Rpcs).items() if isinstance(rpc, Rpc)}


def timeouts(changes: Mapping[str, float]) -> dict[str, float]:
    """Seconds by method name: those of service_config.json with ``changes``. ValueError for what is no name or time."""
    unknown = sorted(changes.keys() - RPCS.keys())
    if unknown:
        raise ValueError(f"timeouts_s names no method: {', '.join(unknown)}; methods are {', '.join(RPCS)}")
    return {name: checked(changes.get(name, rpc.timeout_s)) for name, rpc in RPCS.items()}
