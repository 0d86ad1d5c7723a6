"""Structured logs: one JSON object a line on stderr. No user id is ever put into one."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

ROOTS = ("server", "recsys")


class JsonLines(logging.Formatter):
    """Formats a record as one JSON line: time, level, event, and the ``fields`` passed by ``extra``.

    worker: the number of the worker that logs, or the name of a process that is none.
    """

    def __init__(self, worker: int | str) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback, when there is one, is a field of it."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "worker": self._worker,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(worker: int | str) -> None:
    """Send INFO and above of this project, and warnings of everything else, to stderr. Called once a process."""
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(JsonLines(worker))
    logging.basicConfig(level=logging.WARNING, handlers=[output], force=True)
    for name in ROOTS:
        logging.getLogger(name).setLevel(logging.INFO)
