"""Activations over the wire: served before the answer, refused without harm, one at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from protos.recommender.v1.recommendation_service_pb2 import RecommendRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import ActivateSnapshotRequest, GetServingRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from recsys.errors import NoSnapshot
from recsys.snapshot.durable import exclusive
from recsys.snapshot.signature import signing_key
from recsys.snapshot.store import SnapshotStore
from server.activation import Activation
from server.live import Live
from server.settings import Settings
from server.statuses import DeadlinePassed
from server.watcher import Watcher

from .tiny_shop import commit_tiny, publish_tiny, tiny_snapshot
from .workers import Workers

OK, ABORTED = grpc.StatusCode.OK, grpc.StatusCode.ABORTED
NEVER_S = 3600.0
KEY = f"hmac:{'5a' * 32}"


@pytest.fixture
def workers() -> Iterator[Workers]:
    running = Workers()
    yield running
    running.stop()


def activate(channel: grpc.Channel, version: str, if_current: str = "") -> Any:
    request = ActivateSnapshotRequest(snapshot_version=version, if_current=if_current)
    return SnapshotServiceStub(channel).ActivateSnapshot(request, timeout=60)


def served(channel: grpc.Channel) -> str:
    """The version this worker serves; its items say the same."""
    answer = RecommendationServiceStub(channel).Recommend(RecommendRequest(user_id="user-03"), timeout=30)
    version: str = SnapshotServiceStub(channel).GetServing(GetServingRequest(), timeout=30).snapshot_version
    assert answer.results
    assert answer.snapshot_version == version
    return version


def current(root: Path) -> str:
    return (root / "CURRENT").read_text().strip()


def flip_a_byte(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def test_an_older_snapshot_is_served_before_the_answer_and_can_be_rolled_back(
    tmp_path: Path, listen: Callable[..., str]
) -> None:
    old, new = publish_tiny(tmp_path, 1), publish_tiny(tmp_path, 2)

    # The watcher will not look again: it is the call that brings the snapshot.
    with grpc.insecure_channel(listen(tmp_path, poll_s=NEVER_S)) as channel:
        assert served(channel) == new
        answer = activate(channel, old)

        assert (answer.snapshot_version, answer.previous_version) == (old, new)
        assert served(channel) == old
        assert current(tmp_path) == old
        assert activate(channel, old).previous_version == old
    assert SnapshotStore(tmp_path).roll_back() == new


def test_all_workers_follow(tmp_path: Path, workers: Workers, settings_for: Callable[..., Settings]) -> None:
    old, new = publish_tiny(tmp_path, 1), publish_tiny(tmp_path, 2)
    first, second = (workers.start(settings_for(tmp_path)) for _ in range(2))
    assert workers.wait_until_all_serve(new)

    activate(first, old)

    assert workers.wait_until_all_serve(old)
    assert served(second) == old


def test_the_first_snapshot_can_be_activated_too(tmp_path: Path, serve: Callable[..., grpc.Channel]) -> None:
    version = commit_tiny(tmp_path, tiny_snapshot(1))
    channel = serve(tmp_path, poll_s=NEVER_S)

    assert activate(channel, version).previous_version == ""

    assert served(channel) == version
    status = HealthStub(channel).Check(health_pb2.HealthCheckRequest()).status
    assert status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("version", ["20260102T030405Z-0123456789ab", "../1", "CURRENT", "茶"])
def test_a_snapshot_that_does_not_exist_is_not_found(
    channel: grpc.Channel, failure_of: Callable[..., Any], version: str
) -> None:
    failure = failure_of(lambda: activate(channel, version))

    detail = failure.details["ResourceInfo"]
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert (detail.resource_type, detail.resource_name) == ("snapshot", version)


@pytest.mark.parametrize("file", ["golden.json", "arrays/items.ids.npy", "indexes/als.faiss", "manifest.json"])
def test_a_corrupted_snapshot_is_refused_and_the_current_one_goes_on(
    tmp_path: Path,
    listen: Callable[..., str],
    failure_of: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    file: str,
) -> None:
    old, new = publish_tiny(tmp_path, 1), publish_tiny(tmp_path, 2)
    flip_a_byte(tmp_path / old / file)

    with grpc.insecure_channel(listen(tmp_path)) as channel, caplog.at_level(logging.ERROR):
        failure = failure_of(lambda: activate(channel, old))

        assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
        assert failure.details["ErrorInfo"].reason == "SNAPSHOT_CORRUPT"
        assert [v.subject for v in failure.details["PreconditionFailure"].violations] == [old]
        assert file not in failure.message
        assert served(channel) == current(tmp_path) == new
    (refused,) = [record for record in caplog.records if record.getMessage() == "activation refused"]
    assert file in refused.__dict__["fields"]["reason"]


def test_a_snapshot_of_other_features_or_with_other_answers_is_refused_before_it_is_current(
    tmp_path: Path, listen: Callable[..., str], failure_of: Callable[..., Any]
) -> None:
    strange = commit_tiny(tmp_path, tiny_snapshot(1), features=["other"])
    golden = '[{"at": 1500000001, "user_id": "", "serving_config": "home", "limit": 10, "items": ["none"]}]'
    lying = commit_tiny(
        tmp_path, tiny_snapshot(2), before_sealing=lambda folder: (folder / "golden.json").write_text(golden)
    )
    version = publish_tiny(tmp_path, 3)

    with grpc.insecure_channel(listen(tmp_path)) as channel:
        for unfit, reason in ((strange, "SCHEMA_MISMATCH"), (lying, "SNAPSHOT_CORRUPT")):
            failure = failure_of(lambda unfit=unfit: activate(channel, unfit))
            assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
            assert failure.details["ErrorInfo"].reason == reason
        assert served(channel) == current(tmp_path) == version


def test_with_a_key_only_what_it_signed_is_activated(
    tmp_path: Path, listen: Callable[..., str], failure_of: Callable[..., Any]
) -> None:
    one, other = (commit_tiny(tmp_path, tiny_snapshot(seed), key=signing_key(KEY)) for seed in (1, 2))
    unsigned = commit_tiny(tmp_path, tiny_snapshot(3))
    SnapshotStore(tmp_path).publish(one)

    with grpc.insecure_channel(listen(tmp_path, verify_key=KEY)) as channel:
        failure = failure_of(lambda: activate(channel, unsigned))
        assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
        assert served(channel) == one
        activate(channel, other)
        assert served(channel) == other


def test_while_another_changes_what_is_current_an_activation_is_aborted(
    tmp_path: Path, listen: Callable[..., str], failure_of: Callable[..., Any]
) -> None:
    old, new = publish_tiny(tmp_path, 1), publish_tiny(tmp_path, 2)

    with grpc.insecure_channel(listen(tmp_path)) as channel:
        with exclusive(tmp_path / ".publish.lock"):
            failure = failure_of(lambda: activate(channel, old))
        assert failure.code is ABORTED
        assert failure.details["ErrorInfo"].reason == "ACTIVATION_RUNNING"
        assert served(channel) == current(tmp_path) == new
        activate(channel, old)
        assert served(channel) == old


def test_an_activation_that_takes_another_for_the_current_one_is_aborted(
    tmp_path: Path, listen: Callable[..., str], failure_of: Callable[..., Any]
) -> None:
    old, new = publish_tiny(tmp_path, 1), publish_tiny(tmp_path, 2)

    with grpc.insecure_channel(listen(tmp_path)) as channel:
        failure = failure_of(lambda: activate(channel, old, if_current=old))
        assert failure.code is ABORTED
        assert failure.details["ErrorInfo"].reason == "CURRENT_MOVED"
        assert dict(failure.details["ErrorInfo"].metadata) == {"if_current": old, "current": new}
        assert served(channel) == current(tmp_path) == new
        activate(channel, old, if_current=new)
        assert served(channel) == old


def test_of_many_activations_that_expect_the_same_current_one_wins(
    tmp_path: Path, workers: Workers, settings_for: Callable[..., Settings]
) -> None:
    one, other, start = (publish_tiny(tmp_path, seed) for seed in (1, 2, 3))
    channels = [workers.start(settings_for(tmp_path)) for _ in range(2)]
    assert workers.wait_until_all_serve(start)
    together = threading.Barrier(8)

    def attempt(number: int) -> tuple[str, grpc.StatusCode]:
        version = (one, other)[number // 2 % 2]
        together.wait(60)
        try:
            activate(channels[number % 2], version, if_current=start)
        except grpc.RpcError as error:
            return version, error.code()
        return version, OK

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, range(8)))

    (winner,) = [version for version, code in outcomes if code is OK]
    assert [code for _, code in outcomes if code is not OK] == [ABORTED] * 7
    assert current(tmp_path) == winner
    assert workers.wait_until_all_serve(winner)


def test_whatever_activations_run_at_once_all_workers_end_with_the_current_snapshot(
    tmp_path: Path, workers: Workers, settings_for: Callable[..., Settings]
) -> None:
    versions = [publish_tiny(tmp_path, seed) for seed in (1, 2, 3)]
    channels = [workers.start(settings_for(tmp_path)) for _ in range(2)]
    assert workers.wait_until_all_serve(versions[-1])
    codes: list[grpc.StatusCode] = []

    def insist(number: int) -> None:
        for step in range(4):
            try:
                activate(channels[number % 2], versions[(number + step) % 3])
            except grpc.RpcError as error:
                codes.append(error.code())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(insist, range(4)))

    assert set(codes) <= {ABORTED}
    assert workers.wait_until_all_serve(current(tmp_path))


def test_a_folder_that_cannot_be_written_is_a_precondition(
    tmp_path: Path, listen: Callable[..., str], failure_of: Callable[..., Any]
) -> None:
    old, new = publish_tiny(tmp_path, 1), publish_tiny(tmp_path, 2)
    # Permissions would not stop a test that runs as root.
    (tmp_path / ".publish.lock").unlink()
    (tmp_path / ".publish.lock").mkdir()

    with grpc.insecure_channel(listen(tmp_path)) as channel:
        failure = failure_of(lambda: activate(channel, old))

        assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
        assert failure.details["ErrorInfo"].reason == "SNAPSHOTS_NOT_WRITABLE"
        assert str(tmp_path) not in failure.message
        assert served(channel) == new


def test_an_activation_that_nobody_waits_for_any_more_changes_nothing(tmp_path: Path) -> None:
    old, new = publish_tiny(tmp_path, 1), publish_tiny(tmp_path, 2)
    store, live = SnapshotStore(tmp_path), Live(NoSnapshot())
    watcher = Watcher(store, live, on_serving=lambda _: None)
    watcher.look()

    def gone() -> None:
        raise DeadlinePassed

    with pytest.raises(DeadlinePassed):
        Activation(store, watcher).activate(old, go_on=gone)

    assert live.version() == current(tmp_path) == new
    assert Activation(store, watcher).activate(old) == new
    assert live.version() == current(tmp_path) == old
