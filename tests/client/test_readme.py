"""What the README says about calling is true: its programs run as they stand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## Calling it from your service\n")[2].partition("\n## ")[0]
ADDRESS = "127.0.0.1:50051"
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", SECTION, re.S | re.M)


def test_both_kinds_of_client_are_shown() -> None:
    assert [name for program in PROGRAMS for name in re.findall(r"\b(?:Async)?Client\(", program)] == [
        "Client(",
        "AsyncClient(",
        "Client(",
    ]


@pytest.mark.parametrize(
    ("position", "lines"),
    [
        (2, ["1 written", "3 results that know it"]),
        (0, [r"Product \d+ 茶 · [A-Z].+"] * 3 + ["NOT_FOUND ITEM_NOT_FOUND no-such-item"]),
        (1, ["20 of 60 items"] + [rf"{user} \[('1-i\d\d'(, )?){{5}}\]" for user in (1, 718, 2471)]),
    ],
)
def test_a_python_program_prints_what_it_promises(target: str, position: int, lines: list[str]) -> None:
    assert ADDRESS in PROGRAMS[position]
    program = PROGRAMS[position].replace(ADDRESS, target)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    assert len(shown) == len(lines)
    assert [line for line, pattern in zip(shown, lines, strict=True) if not re.fullmatch(pattern, line)] == []


def test_the_call_by_reflection_needs_no_files(target: str) -> None:
    ((body, address, service, method),) = re.findall(r"^grpcurl -plaintext -d '(.*)' (\S+) (\S+)/(\S+)$", SECTION, re.M)
    assert address == ADDRESS
    with grpc.insecure_channel(target) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        described = pool.FindServiceByName(service).FindMethodByName(method)
        request = ParseDict(json.loads(body), GetMessageClass(described.input_type)())
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{service}/{method}")
        response = GetMessageClass(described.output_type).FromString(ask(request.SerializeToString(), timeout=10))
    answer = MessageToDict(response)

    assert len(answer["results"]) == 3
    assert answer["servedBy"] == "SERVED_BY_POPULAR"
