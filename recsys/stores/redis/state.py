"""All stores of one Redis or Valkey database."""

from __future__ import annotations

from recsys.stores.redis.connection import Server
from recsys.stores.redis.events import RedisEventLog
from recsys.stores.redis.items import RedisItemStore
from recsys.stores.redis.slates import RedisSlateLog
from recsys.stores.redis.users import RedisUserStore
from recsys.stores.redis.vectors import RedisVectorStore


class RedisState:
    """``State`` at ``url``; ``?durability=everysec`` accepts that a second of writes is lost when the machine fails.

    InputError where the server must not be written to. One that is down is no error: it is used once it is there.
    """

    def __init__(self, url: str) -> None:
        self._server = Server(url)
        self._server.check()
        self.events = RedisEventLog(self._server)
        self.items = RedisItemStore(self._server)
        self.users = RedisUserStore(self._server)
        self.slates = RedisSlateLog(self._server)
        self.vectors = RedisVectorStore(self._server)

    def describe(self) -> str:
        return self._server.describe()

    def close(self) -> None:
        self.slates.close()
        self._server.close()
