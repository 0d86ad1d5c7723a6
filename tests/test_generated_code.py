"""The committed protobuf code is what the .proto files say."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROTOS = ROOT / "protos"
MESSAGES = sorted(str(path.relative_to(ROOT)) for path in PROTOS.rglob("*.proto"))
SERVICES = [name for name in MESSAGES if name.endswith("_service.proto")]


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("generated")
    for plugins, names in ((("python", "mypy"), MESSAGES), (("grpc_python", "mypy_grpc"), SERVICES)):
        outputs = [f"--{plugin}_out={out}" for plugin in plugins]
        includes = ["-I.", f"-I{sysconfig.get_path('purelib')}"]
        command = [sys.executable, "-m", "grpc_tools.protoc", *includes, *outputs, *names]
        # protoc looks for its plugins on the path, where an environment that is not activated is missing.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "PATH": path})
    return out


def test_regenerating_gives_the_committed_files_and_no_others(regenerated: Path) -> None:
    committed = {path.relative_to(ROOT) for path in PROTOS.rglob("*_pb2*.py*") if path.suffix in (".py", ".pyi")}

    assert {path.relative_to(regenerated) for path in regenerated.rglob("*") if path.is_file()} == committed


@pytest.mark.parametrize(
    "name", sorted(str(path.relative_to(ROOT)) for ending in ("py", "pyi") for path in PROTOS.rglob(f"*_pb2*.{ending}"))
)
def test_regenerating_gives_the_same_bytes(regenerated: Path, name: str) -> None:
    assert (regenerated / name).read_bytes() == (ROOT / name).read_bytes()


def test_every_message_field_method_and_enum_value_is_commented() -> None:
    uncommented = []
    for name in MESSAGES:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            text = line.strip()
            declares = text.startswith(("message ", "enum ", "service ", "rpc ", "oneof ")) or text.endswith(";")
            is_header = text.startswith(("syntax", "package", "import"))
            if declares and not is_header and not text.startswith("//"):
                before = lines[number - 1].strip()
                if not before.startswith("//"):
                    uncommented.append(f"{name}:{number + 1}: {text}")

    assert uncommented == []
