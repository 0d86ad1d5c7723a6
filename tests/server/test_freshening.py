"""What everybody takes since the snapshot was built is what is popular in the next answers of every worker."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1.catalog_service_pb2 import UpsertItemsRequest
from protos.recommender.v1.event_pb2 import Event
from protos.recommender.v1.event_service_pb2 import PurgeEventsRequest
from protos.recommender.v1.event_service_pb2_grpc import EventServiceStub
from protos.recommender.v1.item_pb2 import Item
from protos.recommender.v1.user_service_pb2 import LinkIdentitiesRequest
from recsys.recent import SECOND_US
from recsys.snapshot.store import SnapshotStore
from recsys.stores.opening import open_state
from recsys.stores.records import LiveEvent
from server.count_lately import count_lately
from server.settings import Settings

from .paged import ids
from .server_process import Server
from .stateful import Shop, Shops, TwoWorkers, bought
from .tiny_shop import LAST_EVENT_AT, N_USERS, publish_tiny

PATIENCE_S = 30
LATE, LATER, NEW = "1-i58", "1-i59", "1-brand-new"


class Counted:
    """Two workers, the counting that their supervisor would run, and what somebody unknown is given."""

    def __init__(self, running: Shop, settings: Settings) -> None:
        self.running = running
        self._settings = settings

    def count(self) -> bool:
        return count_lately(self._settings, SnapshotStore(self._settings.snapshots).current())

    def popular(self) -> list[str]:
        return ids(self.running.recommend(user_id="", page_size=5))

    def comes_first(self, *item_ids: str) -> bool:
        """Whether they do, now or soon."""
        end_s = monotonic() + PATIENCE_S
        while set(self.popular()[: len(item_ids)]) != set(item_ids):
            if monotonic() > end_s:
                return False
        return True


@pytest.fixture
def counted(tmp_path: Path, shop: Shops, settings_for: Callable[..., Settings]) -> Counted:
    root, scratch = tmp_path / "snapshots", tmp_path / "scratch"
    scratch.mkdir()
    publish_tiny(root, target_types=("purchase",))
    settings = settings_for(root, state=str(tmp_path / "state"), scratch=scratch)
    return Counted(shop(root, scratch=scratch), settings)


def purchases(item_id: str, n: int = N_USERS) -> list[Event]:
    """One by each of ``n`` users, a minute apart."""
    times = [Timestamp(seconds=LAST_EVENT_AT + 60 * (n + 1)) for n in range(n)]
    return [bought(item_id, user_id=f"user-{n:02d}", timestamp=time) for n, time in enumerate(times)]


def test_what_is_taken_lately_comes_first_once_it_was_counted_and_new_items_with_it(counted: Counted) -> None:
    new = UpsertItemsRequest(items=[Item(item_id=NEW, title="New")], allow_missing=True)
    counted.running.catalog.UpsertItems(new)
    before = counted.popular()
    assert not {LATE, NEW} & set(before)
    counted.running.write(*purchases(LATE), *purchases(NEW, N_USERS - 1))
    assert counted.popular() == before

    assert counted.count()
    assert counted.comes_first(LATE, NEW)


def test_it_is_counted_again_only_when_there_is_something_to_count(counted: Counted) -> None:
    assert counted.count()  # that there is nothing
    assert not counted.count()
    counted.running.write(*purchases(LATE))
    assert counted.count()
    assert not counted.count()
    counted.running.write(bought(LATER, user_id="user-01", timestamp=Timestamp(seconds=LAST_EVENT_AT + 9)))
    assert counted.count()


def test_a_counting_that_cannot_be_read_is_logged_once_and_the_next_one_counts(
    counted: Counted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counted.running.write(*purchases(LATE))
    assert counted.count()
    assert counted.comes_first(LATE)
    folder = tmp_path / "scratch" / "statistics" / SnapshotStore(tmp_path / "snapshots").current()
    whole = next(folder.iterdir())
    shutil.copytree(whole, tmp_path / "copy")
    (tmp_path / "copy" / "arrays" / "statistics.values.npy").write_bytes(b"no array")
    (tmp_path / "copy").rename(folder / str(int(whole.name) + 1))
    end_s = monotonic() + PATIENCE_S
    while caplog.text.count("cannot be read") < 2 and monotonic() < end_s:  # a line of each worker
        assert counted.popular()[0] == LATE

    counted.running.write(*purchases(LATER))
    assert counted.count()
    assert counted.comes_first(LATE, LATER)
    assert caplog.text.count("cannot be read") == 2


def test_what_was_purged_is_popular_no_more(counted: Counted) -> None:
    before = counted.popular()
    counted.running.write(*purchases(LATE))
    assert counted.count()
    assert counted.comes_first(LATE)
    events = EventServiceStub(counted.running.writer)
    events.PurgeEvents(PurgeEventsRequest(filter=f'item_id = "{LATE}"', force=True))
    assert counted.count()
    assert counted.comes_first(*before)
    assert not counted.count()


def test_as_many_events_as_before_are_others_and_so_are_links(counted: Counted) -> None:
    counted.running.write(*purchases(LATE))
    assert counted.count()
    events = EventServiceStub(counted.running.writer)
    events.PurgeEvents(PurgeEventsRequest(filter=f'item_id = "{LATE}"', force=True))
    counted.running.write(*purchases(LATER))
    assert counted.count()
    assert counted.comes_first(LATER)
    counted.running.users.LinkIdentities(LinkIdentitiesRequest(user_id="user-01", visitor_id="phone"))
    assert counted.count()
    assert not counted.count()


def test_another_snapshot_has_its_own_statistics_until_they_are_counted_for_it(
    counted: Counted, tmp_path: Path
) -> None:
    before = counted.popular()
    counted.running.write(*purchases(LATE))
    assert counted.count()
    assert counted.comes_first(LATE)
    publish_tiny(tmp_path / "snapshots", target_types=("purchase", "subscription"))
    assert counted.comes_first(before[0])
    assert counted.count()
    assert counted.comes_first(LATE)


def test_a_running_server_counts_by_itself_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, scratch = tmp_path / "snapshots", tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    publish_tiny(root, target_types=("purchase",))
    with closing(open_state(str(tmp_path / "state"))) as state:
        times = [(LAST_EVENT_AT + 60 * (n + 1)) * SECOND_US for n in range(N_USERS)]
        state.events.append(
            [LiveEvent(f"e{n}", "purchase", time, f"user-{n:02d}", item_id=LATE) for n, time in enumerate(times)]
        )
    words = ["--snapshots", str(root), "--state", str(tmp_path / "state"), "--clock", "snapshot"]
    server = Server([*words, "--poll-s", "0.05"], tmp_path)
    try:
        target = server.until(r"listening on (\S+)")[1]
        server.served()
        with grpc.insecure_channel(target) as channel:
            running = TwoWorkers(channel, channel, PATIENCE_S)
            end_s = monotonic() + PATIENCE_S
            while ids(running.recommend(user_id="", page_size=5))[0] != LATE:
                assert monotonic() < end_s
        assert len(list(scratch.iterdir())) == 1
    finally:
        assert server.stop() == 0
    assert not list(scratch.iterdir())
