"""The .proto files keep buf's rules, and stay compatible with what was published last."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).parents[1]
BASELINE = ROOT / "protos" / "baseline.binpb"
BUF = Path(sys.executable).with_name("buf")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A descriptor set of all .proto files and what they import."""
    out = tmp_path_factory.mktemp("image") / "protos.binpb"
    names = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "protos").rglob("*.proto"))
    includes = ["-I.", f"-I{sysconfig.get_path('purelib')}", "--include_imports", "--include_source_info"]
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, f"--descriptor_set_out={out}", *names]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return out


def buf(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [BUF, *arguments, "--config", ROOT / "buf.yaml"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def changed(image: Path, out: Path, change: Callable[[DescriptorProto], object]) -> Path:
    """A copy of ``image`` whose RecommendRequest has been changed."""
    files = FileDescriptorSet.FromString(image.read_bytes())
    requests = [m for file in files.file for m in file.message_type if m.name == "RecommendRequest"]
    change(requests[0])
    out.write_bytes(files.SerializeToString())
    return out


def field(message: DescriptorProto, name: str) -> FieldDescriptorProto:
    return next(one for one in message.field if one.name == name)


def test_names_and_shapes_keep_the_rules(image: Path) -> None:
    done = buf("lint", image)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_name_that_breaks_a_rule_is_found(image: Path, tmp_path: Path) -> None:
    bad = changed(image, tmp_path / "bad.binpb", lambda message: setattr(field(message, "user_id"), "name", "userId"))
    done = buf("lint", bad)
    assert done.returncode != 0
    assert "userId" in done.stdout


def test_nothing_published_has_been_broken(image: Path) -> None:
    done = buf("breaking", image, "--against", BASELINE)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "change",
    [
        lambda message: setattr(field(message, "page_size"), "type", FieldDescriptorProto.TYPE_INT64),
        lambda message: setattr(field(message, "query"), "number", 99),
        lambda message: message.field.remove(field(message, "filter")),
        lambda message: setattr(field(message, "filter"), "name", "filters"),
    ],
    ids=["another type", "another number", "removed", "renamed"],
)
def test_what_would_break_a_caller_is_found(
    image: Path, tmp_path: Path, change: Callable[[DescriptorProto], object]
) -> None:
    done = buf("breaking", changed(image, tmp_path / "changed.binpb", change), "--against", BASELINE)
    assert done.returncode != 0
    assert "recommendation_service.proto" in done.stdout
