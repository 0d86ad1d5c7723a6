"""What every gRPC server has beside its own services: health and reflection, on threads that no call of ours takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection

from protos.recommender.v1 import catalog_service_pb2 as catalog_pb2
from protos.recommender.v1 import event_service_pb2 as event_pb2
from protos.recommender.v1 import recommendation_service_pb2 as recommendation_pb2
from protos.recommender.v1 import snapshot_service_pb2 as snapshot_pb2
from protos.recommender.v1 import user_service_pb2 as user_pb2

SERVICES = (
    catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"].full_name,
    event_pb2.DESCRIPTOR.services_by_name["EventService"].full_name,
    recommendation_pb2.DESCRIPTOR.services_by_name["RecommendationService"].full_name,
    snapshot_pb2.DESCRIPTOR.services_by_name["SnapshotService"].full_name,
    user_pb2.DESCRIPTOR.services_by_name["UserService"].full_name,
)
WHOLE_SERVER = health.OVERALL_HEALTH
HEALTH_NAMES = (WHOLE_SERVER, *SERVICES)
REFLECTED = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
REFLECTION_THREADS = 2


class Reflection(reflection.ReflectionServicer):  # type: ignore[misc] # the package is untyped
    """Reflection on threads of its own: a client that keeps its stream open would otherwise hold a thread of ours."""

    def ServerReflectionInfo(self, request_iterator: Any, context: grpc.ServicerContext) -> Any:
        return super().ServerReflectionInfo(request_iterator, context)

    ServerReflectionInfo.experimental_thread_pool = ThreadPoolExecutor(  # type: ignore[attr-defined]
        REFLECTION_THREADS, thread_name_prefix="reflection"
    )


class Health(health.HealthServicer):  # type: ignore[misc] # the package is untyped
    """Health on a thread of its own: an overloaded server is slow, not dead, and must be able to say so in time."""

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        return super().Check(request, context)

    Check.experimental_thread_pool = ThreadPoolExecutor(1, thread_name_prefix="health")  # type: ignore[attr-defined]

    def List(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Every service's health; the package leaves it unimplemented."""
        answers = {name: self.Check(health_pb2.HealthCheckRequest(service=name), context) for name in HEALTH_NAMES}
        return health_pb2.HealthListResponse(statuses=answers)

    List.experimental_thread_pool = Check.experimental_thread_pool  # type: ignore[attr-defined]
