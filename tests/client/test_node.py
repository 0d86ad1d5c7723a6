"""Callers in another language: Node with the .proto files, the service config and nothing else of ours."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from client import Client

from .scripted import Scripted, status_of

ROOT = Path(__file__).parents[2]
SERVICE_CONFIG = ROOT / "client" / "service_config.json"
MISSING = [name for name in ("node", "npm") if shutil.which(name) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {', '.join(MISSING)}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pinned packages are installed, beside client.mjs."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "client.mjs"):
        shutil.copy(ROOT / "tests" / "node" / name, folder)
    ran("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", cwd=folder)
    return folder


@pytest.fixture
def ask(folder: Path) -> Callable[..., list[dict[str, Any]]]:
    """``ask(address, (method, request), …)``: what came of each call."""

    def asked(address: str, *calls: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
        words = ("node", str(folder / "client.mjs"), address, str(SERVICE_CONFIG))
        outcomes: list[dict[str, Any]] = json.loads(ran(*words, given=json.dumps(calls)))
        return outcomes

    return asked


def ran(*words: str, cwd: Path = ROOT, given: str = "") -> str:
    # googleapis-common-protos brings google/rpc/*.proto into site-packages.
    environment = {**os.environ, "PROTO_PATH": f"{ROOT}:{sysconfig.get_path('purelib')}"}
    done = subprocess.run(
        words, cwd=cwd, input=given, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_node_gets_what_python_gets_and_errors_with_details(
    target: str, ask: Callable[..., list[dict[str, Any]]]
) -> None:
    wish = {"userId": "user-03", "pageSize": 5, "explain": "EXPLAIN_SUMMARY", "returnItems": True}
    answered, serving, refused, absent = ask(
        target,
        ("recommend", wish),
        ("getServing", {}),
        ("recommend", {"pageSize": -1}),
        ("similarItems", {"itemId": "no-such-item"}),
    )
    with Client(target) as client:
        expected = client.recommend(user_id="user-03", page_size=5, return_items=True)

    results = answered["answer"]["results"]
    assert [result["itemId"] for result in results] == [result.item_id for result in expected.results]
    assert [result["item"]["title"] for result in results] == [result.item.title for result in expected.results]
    assert results[0]["sources"]
    assert answered["answer"]["servedBy"] == "SERVED_BY_PERSONALISED"
    assert serving["answer"]["nUsers"] == 24

    assert refused["code"] == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    (violation,) = refused["details"]["google.rpc.BadRequest"]["fieldViolations"]
    assert violation["field"] == "page_size"
    assert absent["code"] == grpc.StatusCode.NOT_FOUND.value[0]
    info = absent["details"]["google.rpc.ErrorInfo"]
    assert (info["reason"], info["metadata"]["resource_name"]) == ("ITEM_NOT_FOUND", "no-such-item")


def test_node_takes_deadlines_and_retries_from_the_service_config(
    address: str, scripted: Scripted, ask: Callable[..., list[dict[str, Any]]]
) -> None:
    scripted.failures = [status_of(grpc.StatusCode.UNAVAILABLE)] * 2
    (answered,) = ask(address, ("recommend", {}))
    assert "answer" in answered
    assert len(scripted.received) == 3
    remaining_s = scripted.received[0].remaining_s
    assert remaining_s is not None
    assert 0 < remaining_s <= 2.04

    scripted.failures = [status_of(grpc.StatusCode.RESOURCE_EXHAUSTED)] * 2
    (refused,) = ask(address, ("recommend", {}))
    assert refused["code"] == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert len(scripted.received) == 4


def test_the_node_program_of_the_readme_runs_as_it_stands(target: str, folder: Path) -> None:
    (program,) = re.findall(r"^```js\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.S | re.M)
    assert "127.0.0.1:50051" in program
    script = folder / "readme.mjs"
    script.write_text(program.replace("127.0.0.1:50051", target), encoding="utf-8")

    shown = ran("node", str(script)).splitlines()

    assert len(shown) == 3
    assert all(line.startswith("Product ") and " · " in line for line in shown)
