"""The real command: starting, sharing the port, replacing dead workers, stopping, and never orphaning one."""

from __future__ import annotations

import ctypes
import json
import os
import re
import select
import signal
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import grpc
import pytest

from protos.recommender.v1.recommendation_service_pb2 import RecommendRequest, RecommendResponse
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from server.credentials import Credentials
from server.tokens import Caller, Role, line_of

from .authority import Authority
from .server_process import PATIENCE_S, Server


def wait_for_end(process_id: int) -> None:
    """Block until a process that is not our child is gone."""
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    try:
        # Not select.select, which knows descriptors below 1024 alone: snapshots that other tests read hold more.
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        assert waiting.poll(PATIENCE_S * 1000), f"process {process_id} is still there"
    finally:
        os.close(descriptor)


def open_threads(process_id: int, number: signal.Signals) -> list[int]:
    """The threads of a process that do not block a signal."""
    masks = {}
    for folder in Path(f"/proc/{process_id}/task").iterdir():
        status = (folder / "status").read_text()
        masks[int(folder.name)] = int(re.search(r"^SigBlk:\s*(\w+)$", status, re.MULTILINE)[1], 16)  # type: ignore[index]
    return [thread for thread, mask in masks.items() if not mask >> (number - 1) & 1]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers = []

    def started(*arguments: str) -> Server:
        server = Server(list(arguments), tmp_path)
        servers.append(server)
        return server

    yield started
    for server in servers:
        server.process.kill()
        server.process.wait()
        assert server.process.stdout is not None
        server.process.stdout.close()


def ask(address: str) -> str:
    with grpc.insecure_channel(address) as channel:
        request = RecommendRequest(user_id="user-03")
        return RecommendationServiceStub(channel).Recommend(request, timeout=30, wait_for_ready=True).snapshot_version


def test_it_prints_its_settings_and_chosen_port_answers_and_ends_with_zero(
    run: Callable[..., Server], snapshots: Path
) -> None:
    server = run("--snapshots", str(snapshots), "--clock", "snapshot")
    address = server.until(r"listening on (\S+)")[1]
    worker = server.served()

    assert ask(address) == (snapshots / "CURRENT").read_text().strip()
    assert any(re.fullmatch(r"clock +snapshot", line) for line in server.lines)
    assert server.stop() == 0
    wait_for_end(worker)


def test_a_worker_heeds_a_signal_that_the_kernel_gives_to_another_of_its_threads(
    run: Callable[..., Server], snapshots: Path
) -> None:
    # The kernel prefers the main thread, but on a busy machine any of the others may be the first to run.
    server = run("--snapshots", str(snapshots))
    worker = server.served()
    other = max(thread for thread in open_threads(worker, signal.SIGTERM) if thread != worker)

    assert ctypes.CDLL(None).tgkill(worker, other, signal.SIGTERM) == 0

    wait_for_end(worker)
    server.until("worker 0 ended with code 0 ")


def test_workers_share_the_port_and_a_killed_one_is_replaced(run: Callable[..., Server], snapshots: Path) -> None:
    server = run("--snapshots", str(snapshots), "--workers", "2")
    address = server.until(r"listening on (\S+)")[1]
    workers = {server.served(), server.served()}

    victim = workers.pop()
    os.kill(victim, signal.SIGKILL)
    server.until(r"ended with code -9")
    replacement = server.served()

    assert replacement not in {victim, *workers}
    assert ask(address)
    assert server.stop(signal.SIGINT) == 0
    for worker in (*workers, replacement):
        wait_for_end(worker)


def test_a_list_begun_by_a_worker_that_died_goes_on_with_the_one_that_takes_its_place(
    run: Callable[..., Server], snapshots: Path
) -> None:
    server = run("--snapshots", str(snapshots), "--clock", "snapshot")
    address = server.until(r"listening on (\S+)")[1]
    victim = server.served()

    def page(token: str = "") -> RecommendResponse:
        with grpc.insecure_channel(address) as channel:
            request = RecommendRequest(user_id="" if token else "user-03", page_size=30, page_token=token)
            return RecommendationServiceStub(channel).Recommend(request, timeout=30, wait_for_ready=True)

    first = page()
    os.kill(victim, signal.SIGKILL)
    server.served()
    second = page(first.next_page_token)

    assert len({result.item_id for answer in (first, second) for result in answer.results}) == 59
    assert second.next_page_token == ""
    assert not any(first.next_page_token in line for line in server.lines)


def test_two_workers_go_on_with_each_others_lists(run: Callable[..., Server], snapshots: Path) -> None:
    server = run("--snapshots", str(snapshots), "--clock", "snapshot", "--workers", "2")
    address = server.until(r"listening on (\S+)")[1]
    for _ in range(2):
        server.served()
    options = [("grpc.use_local_subchannel_pool", 1)]
    token, requests = "", {}
    # The kernel spreads connections: of forty, both workers get some but for one chance in 2^39.
    for _ in range(40):
        with grpc.insecure_channel(address, options=options) as channel:
            request = RecommendRequest(user_id="user-03", page_size=1, page_token=token)
            answer = RecommendationServiceStub(channel).Recommend(request, timeout=30)
        requests[answer.request_id] = answer.results[0].item_id
        token = answer.next_page_token
    assert server.stop() == 0

    lines = [json.loads(line) for line in server.errors.read_text().splitlines() if '"request_id"' in line]
    worker_of = {line["request_id"]: line["worker"] for line in lines}
    workers = [worker_of[id] for id in requests]
    assert any(one != next_ for one, next_ in pairwise(workers))
    assert len(set(requests.values())) == 40


def test_the_key_of_tokens_is_read_before_anything_starts(run: Callable[..., Server], snapshots: Path) -> None:
    key = snapshots.parent / "not-a-key"
    key.write_text("c0ffee")
    server = run("--snapshots", str(snapshots), "--token-key", f"@{key}")

    assert server.process.wait(PATIENCE_S) == 2
    said = server.errors.read_text()
    assert "the key of --token-key must be lines of at least 64 hex digits" in said
    assert "c0ffee" not in said


def test_workers_end_when_their_parent_is_killed(run: Callable[..., Server], snapshots: Path) -> None:
    server = run("--snapshots", str(snapshots))
    worker = server.served()

    server.process.kill()

    wait_for_end(worker)


def test_a_server_without_snapshots_stays_up_and_serves_the_first_one_published(
    run: Callable[..., Server], tmp_path: Path, publish: Callable[..., str]
) -> None:
    server = run("--snapshots", str(tmp_path / "later"), "--poll-s", "0.05")
    address = server.until(r"listening on (\S+)")[1]
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as raised:
        RecommendationServiceStub(channel).Recommend(RecommendRequest(), timeout=30)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION

    version = publish(tmp_path / "later")

    server.served()
    assert ask(address) == version
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--address", "0.0.0.0:0"], "got '0.0.0.0' without --tls-cert, --tls-key, --tokens"),
        (["--workers", "none"], "--workers must be a whole number from 1 to 256, got 'none'"),
        (["--tls-cert", "/missing", "--tls-key", "/missing"], "--tls-cert /missing cannot be read"),
        (["--tokens", "/missing"], "--tokens /missing cannot be read"),
        (["--address", "no-such-host.invalid:0", "--insecure"], "cannot be listened on"),
    ],
)
def test_settings_that_cannot_work_are_one_sentence_and_exit_2(
    run: Callable[..., Server], snapshots: Path, arguments: list[str], sentence: str
) -> None:
    server = run("--snapshots", str(snapshots), *arguments)

    assert server.process.wait(PATIENCE_S) == 2
    (line,) = server.errors.read_text().splitlines()
    assert line.startswith("recsys-server: ")
    assert sentence in line


def test_a_public_address_is_served_with_tls_and_tokens(
    run: Callable[..., Server], snapshots: Path, tmp_path: Path
) -> None:
    shop = Authority(tmp_path, "shop-ca")
    cert, key = shop.issue("server")
    (tmp_path / "tokens").write_text(line_of("shop-token", Caller("shop", frozenset({Role.RECOMMEND}))))
    arguments = ["--tls-cert", str(cert), "--tls-key", str(key), "--tokens", str(tmp_path / "tokens")]

    server = run("--snapshots", str(snapshots), "--address", "0.0.0.0:0", *arguments)

    port = server.until(r"listening on 0\.0\.0\.0:(\d+)")[1]
    server.served()
    credentials = Credentials(tls=True, ca=shop.ca.read_bytes(), token="shop-token")
    with credentials.channel(f"127.0.0.1:{port}", []) as channel:
        request = RecommendRequest(user_id="user-03")
        assert RecommendationServiceStub(channel).Recommend(request, timeout=30, wait_for_ready=True)
    assert server.stop() == 0
    assert "shop-token" not in "".join(server.lines) + server.errors.read_text()
    assert '"caller": "shop"' in server.errors.read_text()
