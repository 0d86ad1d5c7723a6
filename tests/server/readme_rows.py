"""The rows of the README's table "What happens when", by the names of the tests that hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("### What happens when\n")[2].partition("\n## ")[0]


@dataclass(frozen=True)
class Row:
    """One row: the gRPC code it promises, and the fields or details that say so."""

    code: str
    said_by: tuple[str, ...]

    def is_answered(self, *responses: Message) -> None:
        """All of ``responses`` came, and what says so is filled in in one of them at least."""
        assert self.code == "OK"
        for path in self.said_by:
            assert any(_values(response, path.split(".")) for response in responses), path

    def is_refused(self, code: grpc.StatusCode, details: Mapping[str, Any]) -> None:
        """The call failed with ``code``, and ``details`` hold what says so, beside what all failures have."""
        assert self.code == code.name
        assert set(details) - {"RequestInfo", "ErrorInfo"} == set(self.said_by) - {"ErrorInfo"}
        assert "ErrorInfo" in details


def _values(message: Message, path: list[str]) -> list[Any]:
    """What lies at ``path``, through repeated fields; messages where they are set, plain values where not empty."""

    def below(values: list[Any], name: str) -> list[Any]:
        found: list[Any] = []
        for value in values:
            field = value.DESCRIPTOR.fields_by_name[name]
            child = getattr(value, name)
            if field.is_repeated:
                found += child
            elif value.HasField(name) if field.has_presence else child:
                found.append(child)
        return found

    return reduce(below, path, [message])


def _rows() -> dict[str, Row]:
    lines = [line.strip("| ").split(" | ") for line in SECTION.splitlines() if line.startswith("| ")][2:]
    return {
        "test_" + re.sub(r"\W+", "_", case).lower(): Row(code, tuple(re.findall(r"`([^`]+)`", said_by)))
        for case, _, code, said_by in lines
    }


ROWS = _rows()
