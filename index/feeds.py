"""Where rows of events come from: lines of a file, or entries of a stream. Both say where a row stands."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from index.event_rows import Unusable, parsed_row
from recsys.stores.redis_stream import Entry, StreamReader

BATCH = 1000
LONGEST_LINE = 1 << 20
# Entries of streams are numbered by the server's clock in milliseconds, unless who writes them numbers them.
_A_CLOCK_MS = 1_000_000_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """where: "line 3", "entry 1700000000000-0" · raw: as it came · cells: None where it cannot be read, and
    ``reason`` says why · else_us: when it came, where that is known.
    """

    where: str
    raw: bytes
    cells: Mapping[str, object] | None
    reason: str = ""
    else_us: int | None = None


class Feed(Protocol):
    """Rows in batches of at most ``BATCH``."""

    def batches(self) -> Iterator[list[Row]]:
        """Until there are no more; a feed that waits for more yields an empty batch now and then."""

    def done(self, rows: list[Row]) -> None:
        """``rows`` are kept for good: they need not come again."""

    def n_elsewhere(self) -> int:
        """Rows that somebody else was given and has not done."""


@dataclass(frozen=True, slots=True)
class Lines:
    """JSON Lines, each at most 1 MiB; blank ones are no rows. Whoever reads them again gets the same rows."""

    file: BinaryIO

    def batches(self) -> Iterator[list[Row]]:
        """See ``Feed``."""
        batch: list[Row] = []
        for number, raw in self._numbered():
            if raw.strip():
                batch.append(_read(f"line {number}", raw))
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def done(self, rows: list[Row]) -> None:
        """Nothing: the file is not ours to shorten."""

    def n_elsewhere(self) -> int:
        """None: nobody else reads the file."""
        return 0

    def _numbered(self) -> Iterator[tuple[int, bytes]]:
        number = 0
        while line := self.file.readline(LONGEST_LINE + 1):
            number += 1
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            whole = line.endswith(b"\n")
            while not whole and (rest := self.file.readline(LONGEST_LINE)):
                whole = rest.endswith(b"\n")
            yield number, line


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of a stream: a field ``event`` (or any single field) with a JSON object, or a field a column.

    follow: wait for more instead of ending when there are none.
    """

    reader: StreamReader
    follow: bool = False

    def batches(self) -> Iterator[list[Row]]:
        """See ``Feed``."""
        while True:
            entries = self.reader.read(BATCH, wait=self.follow)
            if not entries and not self.follow:
                return
            yield [_row(entry) for entry in entries]

    def done(self, rows: list[Row]) -> None:
        """Acknowledge them."""
        self.reader.acknowledge([row.where.removeprefix("entry ") for row in rows])

    def n_elsewhere(self) -> int:
        """Of the group's entries."""
        return self.reader.n_pending()


def _row(entry: Entry) -> Row:
    where, else_us = f"entry {entry.id}", _time_us(entry.id)
    if not entry.fields:
        return Row(where, b"", None, "trimmed", else_us)
    fields = entry.fields
    if b"event" in fields or len(fields) == 1:
        raw = fields.get(b"event", next(iter(fields.values())))
        return _read(where, raw, else_us)
    raw = b" ".join(name + b"=" + value for name, value in fields.items())
    try:
        cells = {name.decode("utf-8"): value.decode("utf-8") for name, value in fields.items()}
    except UnicodeDecodeError:
        return Row(where, raw, None, "malformed_row", else_us)
    return Row(where, raw, cells, else_us=else_us)


def _read(where: str, raw: bytes, else_us: int | None = None) -> Row:
    raw = raw.rstrip(b"\r\n")
    try:
        if len(raw) > LONGEST_LINE:
            raise Unusable("malformed_row")
        return Row(where, raw, parsed_row(raw), else_us=else_us)
    except Unusable as error:
        return Row(where, raw, None, error.reason, else_us)


def _time_us(entry_id: str) -> int | None:
    milliseconds = int(entry_id.partition("-")[0])
    return milliseconds * 1000 if milliseconds >= _A_CLOCK_MS else None
