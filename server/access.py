"""Which role each method needs, and the interceptor that asks every call for a token that carries it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

import grpc

from recsys.errors import RecsysError
from server.calls import CALLER, refusal
from server.reread import Reread
from server.statuses import RoleMissing, TokenMissing, TokenUnknown
from server.tokens import Caller, Role, Tokens

_SCHEME = "bearer "


class Anyone(Enum):
    """What needs no particular role: OPEN no token either, KNOWN any token."""

    OPEN = "open"
    KNOWN = "known"


# Total: a test walks the descriptors. Who may ask for any user's list learns little more from the users' ids, and an
# export of all lists should not take a token that may also administer.
NEEDS: Mapping[str, Role | Anyone] = {
    "/recommender.v1.RecommendationService/Recommend": Role.RECOMMEND,
    "/recommender.v1.RecommendationService/BatchRecommend": Role.RECOMMEND,
    "/recommender.v1.RecommendationService/SimilarItems": Role.RECOMMEND,
    "/recommender.v1.RecommendationService/Search": Role.RECOMMEND,
    "/recommender.v1.SnapshotService/GetServing": Role.RECOMMEND,
    "/recommender.v1.SnapshotService/ListSnapshots": Role.ADMIN,
    "/recommender.v1.SnapshotService/ActivateSnapshot": Role.ADMIN,
    "/recommender.v1.SnapshotService/ListServingConfigs": Role.RECOMMEND,
    "/recommender.v1.SnapshotService/ListUserIds": Role.RECOMMEND,
    "/recommender.v1.EventService/WriteEvents": Role.WRITE,
    "/recommender.v1.EventService/PurgeEvents": Role.ADMIN,
    "/recommender.v1.CatalogService/UpsertItems": Role.WRITE,
    "/recommender.v1.CatalogService/GetItem": Role.RECOMMEND,
    "/recommender.v1.CatalogService/SetInventory": Role.WRITE,
    "/recommender.v1.CatalogService/DeleteItems": Role.WRITE,
    "/recommender.v1.UserService/UpsertUsers": Role.WRITE,
    "/recommender.v1.UserService/GetProfile": Role.WRITE,
    "/recommender.v1.UserService/LinkIdentities": Role.WRITE,
    "/recommender.v1.UserService/UnlinkIdentities": Role.WRITE,
    "/recommender.v1.UserService/DeleteUser": Role.ADMIN,
    # Orchestrators and load balancers hold no tokens.
    "/grpc.health.v1.Health/Check": Anyone.OPEN,
    "/grpc.health.v1.Health/List": Anyone.OPEN,
    "/grpc.health.v1.Health/Watch": Anyone.OPEN,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Anyone.KNOWN,
}


class Access(grpc.ServerInterceptor):
    """Refuses calls without a known token that carries the method's role, before their request is read."""

    def __init__(self, tokens: Reread[Tokens]) -> None:
        self._tokens = tokens

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The method's own handler, or one that refuses."""
        method = handler_call_details.method
        handler = continuation(handler_call_details)
        # A method that was forgotten in the table is nobody's but an admin's.
        need = NEEDS.get(method, Role.ADMIN)
        if handler is not None and need is not Anyone.OPEN:
            try:
                caller = self._caller(handler_call_details.invocation_metadata)
                if isinstance(need, Role) and not caller.may(need):
                    raise RoleMissing(caller.name, need)
            except RecsysError as error:
                return refusal(method, error)
            # The handler runs in this call's context, though on another thread.
            CALLER.set(caller.name)
        return handler

    def _caller(self, metadata: Iterable[tuple[str, str | bytes]]) -> Caller:
        given = [value for key, value in metadata if key == "authorization"]
        if len(given) != 1 or not isinstance(given[0], str) or not given[0].lower().startswith(_SCHEME):
            raise TokenMissing
        caller = self._tokens.get().caller(given[0][len(_SCHEME) :].strip())
        if caller is None:
            raise TokenUnknown
        return caller
