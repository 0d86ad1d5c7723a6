"""Several workers on one folder, in this process, for tests."""

from __future__ import annotations

import threading
from typing import Any

import grpc

from server.settings import Settings
from server.worker import Worker


class Workers:
    """Workers on one folder, and what each of them serves."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._serves: dict[int, str] = {}
        self._running: list[tuple[Worker, grpc.Channel]] = []

    def start(self, settings: Settings) -> grpc.Channel:
        number = len(self._running)

        def told(state: dict[str, Any]) -> None:
            with self._changed:
                if state["state"] == "serving":
                    self._serves[number] = state["snapshot"]
                    self._changed.notify_all()

        worker = Worker(settings, told)
        worker.start()
        channel = grpc.insecure_channel(f"127.0.0.1:{worker.port}")
        self._running.append((worker, channel))
        return channel

    @property
    def targets(self) -> list[str]:
        """HOST:PORT of each."""
        return [f"127.0.0.1:{worker.port}" for worker, _ in self._running]

    def wait_until_all_serve(self, version: str) -> bool:
        def done() -> bool:
            return [self._serves.get(number) for number in range(len(self._running))] == [version] * len(self._running)

        with self._changed:
            return self._changed.wait_for(done, 60)

    def stop(self) -> None:
        for worker, channel in self._running:
            channel.close()
            worker.stop()
