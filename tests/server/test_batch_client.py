"""recsys-batch against a running server."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pyarrow.parquet as pq
import pytest

from protos.recommender.v1.recommendation_service_pb2 import RecommendRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.query import Hits, Query
from recsys.sources.factors import Factors
from server.batch_client import main
from server.batch_files import Output
from server.channel import timestamp_of_iso
from server.export import PATIENCE_S, Export, Wish
from server.settings import Settings
from server.worker import Worker

AT = "2017-07-14T02:40:01Z"


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@pytest.mark.parametrize("config", ["home", "discover"])
def test_the_file_holds_what_recommend_answers_in_the_order_of_the_users(
    channel: grpc.Channel, target: str, tmp_path: Path, ending: str, config: str
) -> None:
    users = ["user-07", "nobody", "user-02"]
    (tmp_path / "users").write_text("\n".join(users))
    out = tmp_path / f"lists.{ending}"
    arguments = ["--users", str(tmp_path / "users"), "--limit", "6", "--serving-config", config, "--at", AT]

    assert main(["--target", target, *arguments, "--out", str(out)]) == 0

    stub = RecommendationServiceStub(channel)
    expected = []
    for user in users:
        request = RecommendRequest(user_id=user, page_size=6, serving_config=config, at=timestamp_of_iso(AT))
        expected += [(user, i, r.item_id, r.score) for i, r in enumerate(stub.Recommend(request).results, start=1)]
    assert [tuple(row.values()) for row in rows_of(out)] == expected
    assert len(expected) == 18


def test_degraded_answers_are_counted_for_whoever_reads_the_file(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Factors, query: Query, k: int) -> Hits:
        raise ValueError("a bug in a source")

    monkeypatch.setattr(Factors, "retrieve", broken)

    assert main(["--target", target, "--users", "all", "--out", str(tmp_path / "lists.jsonl")]) == 0

    assert "warning for 24 users: degraded: source_failed:als" in capsys.readouterr().out


class Timeouts(grpc.UnaryUnaryClientInterceptor):
    """Notes how long each call may take."""

    def __init__(self) -> None:
        self.seconds: list[float | None] = []

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        self.seconds.append(client_call_details.timeout)
        return continuation(client_call_details, request)


def test_no_list_is_cut_short_for_time(target: str, tmp_path: Path) -> None:
    noted = Timeouts()
    output = Output(tmp_path / "lists.jsonl")
    with grpc.insecure_channel(target) as channel:
        asked = grpc.intercept_channel(channel, noted)
        Export([asked], Wish(3, "home", None)).run(["user-01", "user-02"], output.rows, lambda n: None)
    output.keep()

    assert noted.seconds == [PATIENCE_S]


def test_all_is_everyone_the_snapshot_knows(target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "lists.parquet"

    assert main(["--target", target, "--users", "all", "--limit", "1", "--out", str(out)]) == 0

    assert [row["user_id"] for row in rows_of(out)] == [f"user-{i:02d}" for i in range(24)]
    summary = capsys.readouterr().out.splitlines()[0]
    assert summary.startswith("24 users, 24 rows from snapshot ")
    assert "users/s" in summary


@pytest.mark.parametrize("limit", ["0", "201", "-1", "ten", "1.5", ""])
def test_a_limit_outside_1_to_200_exits_2(tmp_path: Path, limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--users", "all", f"--limit={limit}", "--out", str(tmp_path / "x.parquet")])

    assert raised.value.code == 2
    assert "must be a whole number from 1 to 200" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--users", "no-such-file"], 2, "--users no-such-file cannot be read"),
        (["--users", "all", "--at", "yesterday"], 2, "--at must be an ISO 8601 time"),
        (["--users", "all", "--serving-config", "nope"], 1, "serving config 'nope' does not exist"),
        (["--users", "all", "--at", "1969-12-31"], 1, "at must be within the years 1970 to 2100"),
    ],
)
def test_a_failure_is_one_sentence_and_leaves_no_file(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    assert main(["--target", target, *arguments, "--out", str(tmp_path / "lists.parquet")]) == code

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("recsys-batch: ")
    assert sentence in line
    assert list(tmp_path.iterdir()) == []


def test_a_server_without_a_snapshot_is_one_sentence_and_exit_1(
    tmp_path: Path, settings_for: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Worker(settings_for(tmp_path / "empty"), lambda _: None)
    worker.start()
    target = f"127.0.0.1:{worker.port}"

    assert main(["--target", target, "--users", "all", "--out", str(tmp_path / "x.jsonl")]) == 1

    worker.stop()
    assert "no snapshot has been published yet" in capsys.readouterr().err


def test_a_snapshot_replaced_in_the_middle_starts_the_export_again_so_that_one_version_fills_the_file(
    tmp_path: Path, publish: Callable[..., str], settings_for: Callable[..., Settings]
) -> None:
    root = tmp_path / "snapshots"
    versions = [publish(root, 1)]
    serving = threading.Event()
    worker = Worker(settings_for(root), lambda state: serving.set() if state["state"] == "serving" else None)
    worker.start()
    assert serving.wait(60)
    told: list[int] = []

    def progress(n_done: int) -> None:
        told.append(n_done)
        if len(told) == 1:
            serving.clear()
            versions.append(publish(root, 2))
            assert serving.wait(60)

    users = [f"user-{i % 30:02d}-{i}" for i in range(640)]
    output = Output(tmp_path / "lists.jsonl")
    channels = [grpc.insecure_channel(f"127.0.0.1:{worker.port}") for _ in range(2)]
    totals = Export(channels, Wish(3, "home", None), pauses_s=(0.0,)).run(users, output.rows, progress)
    output.keep()
    for channel in channels:
        channel.close()
    worker.stop()

    rows = rows_of(tmp_path / "lists.jsonl")
    assert totals.snapshot_version == versions[1]
    assert (totals.n_users, totals.n_rows) == (640, 1920)
    assert [row["user_id"] for row in rows[::3]] == users
    assert {row["item_id"][:2] for row in rows} == {"2-"}
    assert 0 in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_leaves_nothing_and_is_one_sentence(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    # The tests themselves may run below nohup, or in the background of a shell that ignores Ctrl-C.
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, usual)
    try:
        monkeypatch.setattr(Export, "run", lambda *_: (os.kill(os.getpid(), number), signal.pause()))
        out = tmp_path / "lists.jsonl"
        assert main(["--target", target, "--users", "all", "--out", str(out)]) == 128 + number
        assert capsys.readouterr().err == f"recsys-batch: interrupted: {out} was not written\n"
        assert list(tmp_path.iterdir()) == []
        assert signal.getsignal(number) is usual
    finally:
        signal.signal(number, before)


def test_what_is_ignored_stays_ignored(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Export.run

    def hung_up(export: Export, *rest: Any) -> Any:
        os.kill(os.getpid(), signal.SIGHUP)
        return run(export, *rest)

    monkeypatch.setattr(Export, "run", hung_up)
    out = tmp_path / "lists.jsonl"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["--target", target, "--users", "all", "--limit", "1", "--out", str(out)]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert rows_of(out)


def test_a_full_disk_is_one_sentence(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Output, "keep", full)
    out = tmp_path / "lists.jsonl"
    assert main(["--target", target, "--users", "all", "--out", str(out)]) == 2
    assert capsys.readouterr().err.endswith(f"recsys-batch: --out {out} cannot be written: No space left on device\n")
    assert list(tmp_path.iterdir()) == []
