"""The real command: it serves while its rankers are compiled, uses them when they are, and answers the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from protos.recommender.v1.recommendation_service_pb2 import BatchRecommendRequest, RecommendRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.compiled.cache import ForestCache
from recsys.compiled.toolchain import toolchain, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

REQUESTS = [
    RecommendRequest(user_id=user, serving_config=config, page_size=20)
    for user in ("user-03", "user-11", "nobody")
    for config in ("home", "discover", "buy-again")
]


class Server:
    """A running recsys-server and the events of its log; one worker."""

    def __init__(self, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RECSYS_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "--address", "127.0.0.1:0", "--clock", "snapshot", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment, "RECSYS_POLL_S": "0.05"},
        )
        self.events: list[dict[str, Any]] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("listening on "):
                self.address = line.split()[-1]
            if " serves " in line:
                return
        raise AssertionError("it never served")

    def until(self, event: str) -> dict[str, Any]:
        """The first coming line of the log that is ``event``."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == event:
                return self.events[-1]
        raise AssertionError(f"{event} never came: {self.events}")

    def until_compiled(self, version: str) -> None:
        """Read the log until both rankers of ``version`` are in use, together or one after the other."""
        rankers: list[str] = []
        while sorted(rankers) != ["discover", "home"]:
            line = self.until("compiled rankers in use")
            assert line["snapshot"] == version
            rankers += line["rankers"]

    def end(self) -> tuple[str, str]:
        self.process.terminate()
        return self.process.communicate(timeout=60)


@pytest.fixture
def run() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def started(*arguments: str) -> Server:
        servers.append(Server(*arguments))
        return servers[-1]

    yield started
    for server in servers:
        if server.process.poll() is None:
            server.end()


def answers(address: str) -> list[list[tuple[str, float]]]:
    with grpc.insecure_channel(address) as channel:
        assert HealthStub(channel).Check(HealthCheckRequest()).status == HealthCheckResponse.SERVING
        stub = RecommendationServiceStub(channel)
        responses = [stub.Recommend(request, timeout=30) for request in REQUESTS]
        batch = stub.BatchRecommend(BatchRecommendRequest(requests=REQUESTS), timeout=30)
    responses += [entry.response for entry in batch.responses]
    return [[(result.item_id, result.score) for result in response.results] for response in responses]


def test_it_serves_before_its_rankers_are_compiled_and_answers_the_same_after_and_finds_them_again(
    tmp_path: Path, publish: Callable[..., str], run: Callable[..., Server]
) -> None:
    version = publish(tmp_path / "snapshots", ranked=True)
    words = ("--snapshots", str(tmp_path / "snapshots"), "--compiled-cache", str(tmp_path / "forests"))
    # Whoever holds the cache makes the compilation wait: what is asked meanwhile is answered by LightGBM.
    with ForestCache(tmp_path / "forests", toolchain()).locked():
        server = run(*words)
        before = answers(server.address)
    server.until_compiled(version)

    assert len({score for _, score in before[0]}) > 3
    assert answers(server.address) == before
    assert [event["worker"] for event in server.events if event["event"] == "ranker compiled"] == ["compiler"] * 2
    server.end()
    assert server.process.returncode == 0

    again = run(*words)
    again.until_compiled(version)
    assert answers(again.address) == before
    assert "ranker compiled" not in {event["event"] for event in again.events}


def test_a_cache_that_others_can_write_is_refused_once_and_the_server_serves_on(
    tmp_path: Path, publish: Callable[..., str], run: Callable[..., Server]
) -> None:
    publish(tmp_path / "snapshots", ranked=True)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    server = run("--snapshots", str(tmp_path / "snapshots"), "--compiled-cache", str(tmp_path / "open"))

    line = server.until("rankers not compiled, LightGBM scores")
    assert "can be written by others (mode 0777)" in line["reason"]
    assert answers(server.address)[0]
    assert list((tmp_path / "open").iterdir()) == []


def test_a_server_that_is_stopped_takes_its_compilation_with_it(
    tmp_path: Path, publish: Callable[..., str], run: Callable[..., Server]
) -> None:
    publish(tmp_path / "snapshots", ranked=True)
    cache = ForestCache(tmp_path / "forests", toolchain())
    with cache.locked():
        server = run("--snapshots", str(tmp_path / "snapshots"), "--compiled-cache", str(cache.folder))
        out, errors = server.end()

    # Its output is at its end: no process that writes to it is left.
    assert server.process.returncode == 0
    assert "ended with code" not in out
    assert "ranker compiled" not in errors
    assert not list(cache.folder.glob("*.forest"))
