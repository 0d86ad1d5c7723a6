"""A real ``recsys-encoder`` for benchmarks, on a free port."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

START_LIMIT_S = 300.0
STOP_LIMIT_S = 30.0


@contextmanager
def running_encoder() -> Iterator[str]:
    """The address of an encoder that listens; stopped afterwards. RuntimeError with its log when it does not start."""
    command = [sys.executable, "-m", "index.encoder_service", "--address", "127.0.0.1:0"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        overdue = Timer(START_LIMIT_S, process.kill)
        overdue.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("listening on "):
                    break
            else:
                log.seek(0)
                raise RuntimeError(f"the encoder did not start; it said:\n{log.read()}")
            overdue.cancel()
            yield line.split()[-1]
        finally:
            overdue.cancel()
            process.terminate()
            try:
                process.communicate(timeout=STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
