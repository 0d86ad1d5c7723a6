"""What an address of a stream says, and what is said where nobody answers at it."""

from __future__ import annotations

import pytest

from recsys.errors import InputError
from recsys.stores.redis_stream import StreamAddress, StreamReader


def test_an_address_says_server_stream_group_and_consumer() -> None:
    address = StreamAddress.of("rediss-stream://me:pw@[::1]:7000/a%2Fb?group=g&consumer=c&idle_s=1.5&db=2")
    assert address == StreamAddress("rediss://me:pw@[::1]:7000/2", "a/b", "g", "c", 1500)
    assert StreamAddress.of("redis-stream://h/s").url == "redis://h:6379/0"


def test_a_server_that_is_away_is_one_sentence(unused_port: int) -> None:
    address = StreamAddress.of(f"redis-stream://:pw@127.0.0.1:{unused_port}/s")
    with pytest.raises(InputError, match="cannot be read") as refused:
        StreamReader.open(address)
    assert "pw" not in str(refused.value).replace("cannot", "")


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
    return port
