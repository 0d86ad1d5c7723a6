"""One server process. Started by the supervisor: settings arrive on standard input, its end means the parent died."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, NoReturn

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from protos.recommender.v1 import catalog_service_pb2_grpc as catalog_grpc
from protos.recommender.v1 import event_service_pb2_grpc as event_grpc
from protos.recommender.v1 import recommendation_service_pb2_grpc as recommendation_grpc
from protos.recommender.v1 import snapshot_service_pb2_grpc as snapshot_grpc
from protos.recommender.v1 import user_service_pb2_grpc as user_grpc
from recsys.attribution import Attributions
from recsys.compiled.cache import ForestCache
from recsys.compiled.toolchain import toolchain, why_not
from recsys.ending import Ending
from recsys.errors import InputError, NoSnapshot, SnapshotError, StateUnavailable, Unavailable
from recsys.sealing import keys_of, new_key
from recsys.snapshot.signature import key_text, verify_key
from recsys.snapshot.store import SnapshotStore
from recsys.stores.opening import open_state
from server.acceleration import Acceleration
from server.access import Access
from server.activation import Activation
from server.admission import Admission, CallPool
from server.catalog import Catalog
from server.children import settings_from_parent, when_parent_ends
from server.clock import CLOCKS, wall_time
from server.decoding import Decoding
from server.embedding import Embedding
from server.events import Events
from server.freshening import Freshening
from server.listening import listen
from server.live import Live
from server.live_items import LiveItems
from server.log import configure
from server.recommendation import Recommendations
from server.reread import Reread
from server.settings import Settings
from server.slates import SlateLog
from server.snapshots import Snapshots
from server.standard_services import HEALTH_NAMES, REFLECTED, Health, Reflection
from server.state import LiveState
from server.text_encoder import TextEncoder
from server.tokens import read_tokens
from server.users import Users
from server.watcher import Watcher

# By name: started as a script, this module is called __main__.
LOG = logging.getLogger("server.worker")

LARGEST_MESSAGE = 4 * 1024 * 1024
# With SO_REUSEPORT a connection stays with one worker: ending it now and then lets new workers take part.
CONNECTION_AGE_MS = 60_000
CONNECTION_AGE_GRACE_MS = 30_000
# They wait for the state store most of the time, and commit together.
STORING_THREADS = 8
# Refusals that may wait to be told why; beyond them gRPC itself refuses, without details.
MOST_REFUSALS = 1024
# After the grace, and well before the supervisor kills.
LAST_MOMENT_S = 2.0
CALLS = "calls"


class Worker:
    """A gRPC server over whatever snapshot is CURRENT; ``report`` is told what the supervisor should know."""

    def __init__(self, settings: Settings, report: Callable[[dict[str, Any]], None]) -> None:
        key = verify_key(key_text(settings.verify_key)) if settings.verify_key else None
        store = SnapshotStore(settings.snapshots, verify_key=key)
        self._report = report
        self._settings = settings
        self._live = Live(_first_absence(store))
        self._health = Health(experimental_non_blocking=True)
        self._store = store
        self._state = _opened(settings)
        self._slates = SlateLog(self._state, settings.log_slates)
        self._items = LiveItems(self._live, self._state)
        self._watcher = Watcher(
            store, self._live, on_serving=self._on_serving, after=self._after_look(), interval_s=settings.poll_s
        )
        # Not the encoder of searches: one that fails here must not be left alone there.
        self._embedding = Embedding(self._live, self._items, self._state, TextEncoder(settings.encoder or None))
        self._pool = pool = CallPool(threads_of(settings.workers))
        self._storing = storing = CallPool(STORING_THREADS, "store")
        self._server = grpc.server(
            pool,
            interceptors=[*_access(settings), _admission(pool, storing, settings), Decoding()],
            maximum_concurrent_rpcs=settings.max_concurrent + MOST_REFUSALS,
            options=_options(settings),
        )
        self._add_services()
        self.port = listen(self._server, settings)

    def start(self) -> None:
        """Listen, then load; calls fail with FAILED_PRECONDITION or UNAVAILABLE until something is loaded."""
        self._server.start()
        self._report({"state": "listening", "port": self.port})
        self._watcher.start()
        self._embedding.start()

    def stop(self) -> list[str]:
        """Tell health checks, refuse new calls, let running ones finish within the grace, then end.

        What has not ended a moment after the grace, by name: usually nothing.
        """
        end_s = monotonic() + self._settings.grace_s + LAST_MOMENT_S

        def left_s() -> float:
            return max(0.0, end_s - monotonic())

        self._health.enter_graceful_shutdown()
        stopped = self._server.stop(self._settings.grace_s)
        # gRPC forgets calls that it has cut off: their threads may still be at work.
        ended = {
            "snapshot watcher": self._watcher.stop(left_s()),
            "embedding": self._embedding.stop(left_s()),
            "gRPC": stopped.wait(left_s()),
            CALLS: self._pool.wait_until_idle(left_s()) and self._storing.wait_until_idle(left_s()),
            "slates": self._slates.close(left_s()),
            "state store": self._state.close(left_s()),
        }
        return [name for name, has_ended in ended.items() if not has_ended]

    def _add_services(self) -> None:
        token_key = self._settings.token_key
        keys = keys_of(key_text(token_key) if token_key else new_key())
        encoder, clock = TextEncoder(self._settings.encoder or None), CLOCKS[self._settings.clock]
        recommendations = Recommendations(
            self._live,
            clock,
            keys=keys,
            encoder=encoder,
            state=self._state,
            slates=self._slates,
            items=self._items,
        )
        recommendation_grpc.add_RecommendationServiceServicer_to_server(recommendations, self._server)
        snapshots = Snapshots(self._live, self._store, Activation(self._store, self._watcher), self._state)
        snapshot_grpc.add_SnapshotServiceServicer_to_server(snapshots, self._server)
        events = Events(self._state, self._live, clock, Attributions(keys, wall_time))
        event_grpc.add_EventServiceServicer_to_server(events, self._server)
        catalog = Catalog(self._state, self._live, self._items, clock)
        catalog_grpc.add_CatalogServiceServicer_to_server(catalog, self._server)
        user_grpc.add_UserServiceServicer_to_server(Users(self._state, self._live, clock), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        if self._settings.reflection:
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(Reflection(REFLECTED), self._server)

    def _after_look(self) -> Callable[[], None]:
        """What the watcher does after each look: replace rankers by compiled ones, where forests are compiled, and
        statistics by those of now, where they are counted.
        """
        looks: list[Callable[[], None]] = []
        cache, scratch = self._settings.compiled_cache, self._settings.scratch
        if cache is not None and not why_not():
            looks.append(Acceleration(self._live, ForestCache(cache, toolchain())).look)
        if scratch is not None:
            looks.append(Freshening(self._live, self._items, scratch=scratch, snapshots=self._settings.snapshots).look)

        def look() -> None:
            for one in looks:
                one()

        return look

    def _on_serving(self, version: str) -> None:
        self._set_health(health_pb2.HealthCheckResponse.SERVING)
        self._report({"state": "serving", "snapshot": version})

    def _set_health(self, status: int) -> None:
        for name in HEALTH_NAMES:
            self._health.set(name, status)


def threads_of(n_workers: int) -> int:
    """Threads of one worker: the cores shared out, but two at least, so that one long batch does not block a page."""
    return max(2, cores_of(n_workers))


def cores_of(n_workers: int) -> int:
    """Cores of one worker, one at least: those that this process may use, shared out."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // n_workers)


def _opened(settings: Settings) -> LiveState:
    """The state store, opened now if it can be. InputError when what the settings name is none."""
    state = LiveState(partial(open_state, settings.state) if settings.state else None)
    if state.is_configured:
        try:
            state.store()
        except StateUnavailable as error:
            LOG.warning("the state store cannot be opened yet", extra={"fields": {"reason": str(error)}})
    return state


def _first_absence(store: SnapshotStore) -> NoSnapshot | Unavailable:
    """Why nothing is served before the first look: nothing is there, or it is being loaded."""
    try:
        store.current()
    except SnapshotError:
        return NoSnapshot()
    return Unavailable()


def _access(settings: Settings) -> list[Access]:
    """The check of tokens, where there are any. It comes first: strangers take up no place and learn nothing."""
    tokens = settings.tokens
    return [Access(Reread([tokens], lambda: read_tokens(tokens)))] if tokens else []


def _admission(pool: CallPool, storing: CallPool, settings: Settings) -> Admission:
    wait_ms = settings.longest_wait_ms
    longest_wait_s = None if wait_ms is None else wait_ms / 1e3
    n_cores = cores_of(settings.workers)
    return Admission(pool, settings.max_concurrent, longest_wait_s, n_cores=n_cores, storing=storing)


def _options(settings: Settings) -> list[tuple[str, int]]:
    options = [("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", LARGEST_MESSAGE)]
    if settings.workers > 1:
        options.append(("grpc.max_connection_age_ms", CONNECTION_AGE_MS))
        options.append(("grpc.max_connection_age_grace_ms", CONNECTION_AGE_GRACE_MS))
    return options


def _tell_parent(state: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(state).encode() + b"\n")


def main() -> int:
    """Serve until SIGTERM or the parent's end; 0 after a graceful stop, 2 when the settings cannot work.

    1 when calls had not ended some time after the grace.
    """
    index = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Ending(signal.SIGTERM) as ending:
        configure(index)
        try:
            worker = Worker(settings_from_parent("server.worker"), _tell_parent)
        except InputError as error:
            print(f"recsys-server: {error}", file=sys.stderr)
            return 2
        when_parent_ends(ending.ask)
        worker.start()
        ending.wait()
        LOG.info("stopping")
        if left := worker.stop():
            _leave(left)
        return 0


def _leave(left: list[str]) -> NoReturn:
    """End without what is ``left``: the interpreter would wait for its threads, or be taken down under them."""
    LOG.error("stopped without waiting any longer", extra={"fields": {"left": left}})
    logging.shutdown()
    os._exit(1 if CALLS in left else 0)


if __name__ == "__main__":
    sys.exit(main())
