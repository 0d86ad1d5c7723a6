"""EventService: what customers do, kept before it is acknowledged."""

from __future__ import annotations

from google.rpc.status_pb2 import Status

from protos.recommender.v1.event_service_pb2 import (
    PurgeEventsRequest,
    PurgeEventsResponse,
    WriteEventsRequest,
    WriteEventsResponse,
)
from protos.recommender.v1.event_service_pb2_grpc import EventServiceServicer
from recsys.attribution import Attributions
from recsys.errors import InvalidRequest, SnapshotError, Unavailable
from recsys.stores.protocols import State
from recsys.stores.records import LiveEvent
from server.calls import Call, rpc
from server.clock import Clock, microseconds, wall_time_us
from server.live import Live, Serving
from server.live_events import live_event
from server.purges import event_filter
from server.state import LiveState
from server.statuses import status_of
from server.validation import check


class Events(EventServiceServicer):
    """Keeps events in ``state``; ``clock`` says when an event is that names no time, ``live`` which items there are."""

    def __init__(self, state: LiveState, live: Live, clock: Clock, attributions: Attributions) -> None:
        self._state = state
        self._live = live
        self._clock = clock
        self._attributions = attributions

    @rpc
    def WriteEvents(self, request: WriteEventsRequest, call: Call) -> WriteEventsResponse:
        """A status for each event, in order; those with OK are on disk."""
        call.note(n_events=len(request.events))
        check(request)
        state, serving = self._state.store(), self._serving()
        now_us = wall_time_us() if serving is None else microseconds(self._clock, serving)
        response = WriteEventsResponse()
        events: list[LiveEvent] = []
        for position, event in enumerate(request.events):
            try:
                name = f"events[{position}]"
                events.append(live_event(name, event, now_us=now_us, request_id_of=self._attributions.request_id_of))
                response.statuses.append(Status())
            except InvalidRequest as error:
                response.statuses.append(status_of(error, call.request_id))
        is_new = state.events.append(events) if events else []
        written = [event for event, new in zip(events, is_new, strict=True) if new]
        response.n_written = len(written)
        response.n_erased = _n_erased([event for event, new in zip(events, is_new, strict=True) if not new], state)
        response.n_duplicate = len(events) - response.n_written - response.n_erased
        response.n_unjoined = self._unjoined(written, state, serving)
        call.note(
            n_failed=len(request.events) - len(events),
            n_written=response.n_written,
            n_duplicate=response.n_duplicate,
            n_erased=response.n_erased,
            n_unjoined=response.n_unjoined,
        )
        return response

    @rpc
    def PurgeEvents(self, request: PurgeEventsRequest, call: Call) -> PurgeEventsResponse:
        """How many events pass the filter; with ``force`` they are gone."""
        check(request)
        n_events = self._state.store().events.purge(event_filter(request.filter), force=request.force)
        call.note(n_events=n_events, force=request.force)
        return PurgeEventsResponse(n_events=n_events)

    def _serving(self) -> Serving | None:
        """Events are kept while nothing is served, too."""
        try:
            return self._live.get()
        except (SnapshotError, Unavailable):
            return None

    def _unjoined(self, events: list[LiveEvent], state: State, serving: Serving | None) -> int:
        """How many of ``events`` are of items that neither the snapshot nor the store has."""
        named = list(dict.fromkeys(event.item_id for event in events if event.item_id))
        if serving is not None and named:
            numbers = serving.snapshot.catalogue.items.numbers(named).tolist()
            named = [item_id for item_id, number in zip(named, numbers, strict=True) if number < 0]
        lacking = {item_id for item_id in named if not _has(state, item_id)}
        return sum(event.item_id in lacking for event in events)


def _n_erased(refused: list[LiveEvent], state: State) -> int:
    """How many of ``refused`` are of people who were erased after that; the others were kept before."""
    asked = list(dict.fromkeys((event.user_id, "" if event.user_id else event.visitor_id) for event in refused))
    if not asked:
        return 0
    people = dict(zip(asked, state.users.people(asked, most_events=1), strict=True))
    erased = {who: person.erased_us for who, person in people.items() if person.erased_us is not None}
    return sum(
        event.time_us <= erased.get((event.user_id, "" if event.user_id else event.visitor_id), event.time_us - 1)
        for event in refused
    )


def _has(state: State, item_id: str) -> bool:
    item = state.items.get(item_id)
    return item is not None and item.is_created and not item.is_deleted
