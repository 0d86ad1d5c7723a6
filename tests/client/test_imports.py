"""A service that only calls carries nothing of what computes recommendations."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parents[2]
# grpc brings its compiler and reflection along where they happen to be installed.
OF_GRPC = {"grpc", "grpc_health", "grpc_status", "grpc_tools", "grpc_reflection", "cython_runtime", "typing_extensions"}
ALLOWED = OF_GRPC | {"client", "protos", "google"}
HEAVY = {"numpy", "faiss", "lightgbm", "pyarrow", "rich", "polars", "torch", "recsys", "server", "index"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after ``statement``, those of the standard library left out."""
    program = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names


def test_importing_the_client_loads_grpc_and_protobuf_alone() -> None:
    loaded = loaded_by("import client")

    assert {"client", "protos", "grpc", "google"} <= loaded
    assert loaded & HEAVY == set()
    assert {name for name in loaded if not name.startswith("_")} <= ALLOWED


def test_the_check_would_see_a_heavy_import() -> None:
    assert "numpy" in loaded_by("import numpy")


def test_the_service_config_lies_in_the_package() -> None:
    assert json.loads((files("client") / "service_config.json").read_text(encoding="utf-8"))["methodConfig"]
