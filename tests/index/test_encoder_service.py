"""recsys-encoder: the service's limits, and the process with the real model."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from index.encoder_service import LONGEST_TEXT, MOST_TEXTS, main, serve
from protos.encoder.v1.encoder_service_pb2 import EncodeTextsRequest
from protos.encoder.v1.encoder_service_pb2_grpc import EncoderServiceStub
from recsys.arrays import Float32
from recsys.errors import InputError


class Lengths:
    """A text as its length."""

    name = "lengths"

    def encode(self, texts: Sequence[str]) -> Float32:
        return np.array([[len(text), 1.0] for text in texts], np.float32).reshape(-1, 2)


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    server, _, port = serve(Lengths(), "127.0.0.1:0")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    server.stop(None).wait()


def encoded(channel: grpc.Channel, texts: Sequence[str]) -> list[list[float]]:
    answer = EncoderServiceStub(channel).EncodeTexts(EncodeTextsRequest(texts=texts))
    assert answer.model == "lengths"
    rows: list[list[float]] = np.frombuffer(answer.vectors, "<f4").reshape(-1, answer.width).tolist()
    return rows


def test_a_vector_a_text_in_their_order(channel: grpc.Channel) -> None:
    assert encoded(channel, ["龙井", "", "abc"]) == [[2, 1], [0, 1], [3, 1]]
    assert encoded(channel, []) == []
    assert len(encoded(channel, ["x" * LONGEST_TEXT] * MOST_TEXTS)) == MOST_TEXTS


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ([""] * (MOST_TEXTS + 1), "texts must have at most 256 entries, got 257"),
        (["", "x" * (LONGEST_TEXT + 1)], "texts[1] must be at most 2000 characters, got 2001"),
    ],
)
def test_too_much_is_refused_before_anything_is_encoded(channel: grpc.Channel, texts: list[str], sentence: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        encoded(channel, texts)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert raised.value.details() == sentence


def test_health_tells_that_it_serves(channel: grpc.Channel) -> None:
    for service in ("", "encoder.v1.EncoderService"):
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_port_that_is_taken_is_one_sentence() -> None:
    server, _, port = serve(Lengths(), "127.0.0.1:0")
    with pytest.raises(InputError, match="cannot be listened on"):
        serve(Lengths(), f"127.0.0.1:{port}")
    server.stop(None).wait()


def test_a_socket_that_somebody_listens_on_is_left_to_them_and_one_left_behind_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"unix:{tmp_path}/encoder"
    server, _, _ = serve(Lengths(), address)
    assert main(["--address", address, "--model", "/no/such/model"]) == 2
    assert capsys.readouterr().err == f"recsys-encoder: --address {address} is in use: another process listens there\n"
    with grpc.insecure_channel(address) as channel:
        assert encoded(channel, ["abc"]) == [[3, 1]]
    server.stop(None).wait()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/left")
    assert main(["--address", f"unix:{tmp_path}/left", "--model", "/no/such/model"]) == 2
    assert "the text encoder '/no/such/model' cannot be loaded" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--address", "unix:"], "--address unix: lacks the path of a socket"),
        (["--address", "nowhere"], "--address must be HOST:PORT with a port of 0 to 65535, or unix:PATH"),
        (["--address", "127.0.0.1:99999"], "--address must be HOST:PORT"),
        (["--address", "0.0.0.0:0"], "--address must be a loopback address or unix:PATH, got '0.0.0.0'"),
        (["--address", "[::]:0"], "--address must be a loopback address or unix:PATH, got '[::]'"),
        (["--address", "127.0.0.1:0", "--model", "/no/such/model"], "the text encoder '/no/such/model' cannot be"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"recsys-encoder: {sentence}")
    assert said.count("\n") == 1


def test_the_process_serves_the_packaged_model_until_it_is_told_to_stop() -> None:
    command = [sys.executable, "-m", "index.encoder_service", "--address", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(2)]
        try:
            with grpc.insecure_channel(said[1].removeprefix("listening on ")) as channel:
                texts = ["whole milk", "a glass of milk", "snow tyres for a lorry"]
                answer = EncoderServiceStub(channel).EncodeTexts(EncodeTextsRequest(texts=texts))
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert said[0] == f"model {answer.model}"
    vectors = np.frombuffer(answer.vectors, "<f4").reshape(3, answer.width)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.3 + vectors[0] @ vectors[2]
