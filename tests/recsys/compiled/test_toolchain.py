"""Naming the compiler without importing it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from recsys.compiled.toolchain import toolchain, why_not


def test_the_toolchain_names_versions_machine_and_processor_features_and_stays_the_same() -> None:
    lines = toolchain().splitlines()

    assert lines[:2] == [f"lleaves {version('lleaves')}", f"llvmlite {version('llvmlite')}"]
    assert any(line.startswith("flags: ") and " sse2 " in line for line in lines)
    assert not any("MHz" in line for line in lines)
    assert toolchain() == "\n".join(lines)


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_not() == ""
    monkeypatch.setitem(sys.modules, "lleaves", None)
    assert why_not() == "lleaves cannot be imported (the extra `compiled` brings them)"


@pytest.mark.parametrize(("name", "value"), [("platform.machine", "aarch64"), ("platform.system", "Darwin")])
def test_another_machine_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name, lambda: value)
    monkeypatch.setattr("sys.platform", "linux" if name == "platform.machine" else "darwin")

    assert value in why_not()


def test_asking_imports_no_compiler_and_no_arrays() -> None:
    code = "import sys; from recsys.compiled.toolchain import *; why_not(); toolchain(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()

    assert not {"lleaves", "llvmlite", "numpy", "lightgbm"} & set(modules)
