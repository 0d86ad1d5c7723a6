"""The package as it is installed: every folder is in it, every command starts, the server stays lean."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAME: str = PROJECT["project"]["name"]
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
PACKAGES = ("recsys", "index", "server", "client", "protos")
NOT_IN_A_SERVER = ("torch", "sentence_transformers", "transformers", "polars", "pyarrow", "implicit", "rich", "index")


def requirements() -> list[Requirement]:
    """What comes from elsewhere: extras also name extras of this project."""
    named = [*PROJECT["project"]["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
    return [one for one in map(Requirement, named) if one.name != NAME]


def installed_with(*extras: str) -> dict[str, Requirement]:
    """By name what ``tributary[extras]`` requires, extras that it names included."""
    found = {one.name: one for one in map(Requirement, PROJECT["project"]["dependencies"])}
    for one in (Requirement(one) for extra in extras for one in EXTRAS[extra]):
        found |= installed_with(*one.extras) if one.name == NAME else {one.name: one}
    return found


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normal(name): pinned for name, pinned in pins}


def normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def test_every_folder_with_modules_is_in_the_package_list() -> None:
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}

    assert {".".join(folder.relative_to(ROOT).parts) for folder in folders} == set(
        PROJECT["tool"]["setuptools"]["packages"]
    )


def test_every_package_says_what_it_is() -> None:
    listed = [importlib.import_module(name) for name in PROJECT["tool"]["setuptools"]["packages"]]

    assert [module.__name__ for module in listed if module.__file__ is None] == []


def test_the_sentences_of_reasons_are_installed_with_the_server() -> None:
    installed = {
        path
        for pattern in PROJECT["tool"]["setuptools"]["package-data"]["server"]
        for path in (ROOT / "server").glob(pattern)
    }

    assert installed == {
        path for path in (ROOT / "server").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert installed


@pytest.mark.parametrize("target", sorted(PROJECT["project"]["scripts"].values()))
def test_every_command_is_a_function_that_exists(target: str) -> None:
    module, _, function = target.partition(":")

    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_the_pinned_version_lies_in_the_range_that_is_promised(requirement: Requirement) -> None:
    pinned = constraints()[normal(requirement.name)]

    assert requirement.specifier.contains(pinned)


def test_the_versions_under_test_are_the_pinned_ones() -> None:
    differing = {
        name: (version(name), pinned)
        for requirement in requirements()
        if version(name := requirement.name).partition("+")[0] != (pinned := constraints()[normal(name)])
    }

    assert differing == {}


def test_the_generated_code_runs_on_the_oldest_runtime_that_is_promised() -> None:
    folder = ROOT / "protos" / "recommender" / "v1"
    needs = {line.split(": ")[1] for path in folder.glob("*_pb2.py") for line in lines_with(path, "# Protobuf Python")}
    grpc_needs = {
        line.split("'")[1] for path in folder.glob("*_grpc.py") for line in lines_with(path, "GRPC_GENERATED_VERSION =")
    }

    for extra in ("server", "client", "rpc"):
        promised = installed_with(extra)
        assert {str(promised["protobuf"].specifier)} == {f">={one}" for one in needs}
        assert {str(promised["grpcio"].specifier)} == {f">={one}" for one in grpc_needs}


def test_who_only_calls_installs_grpc_and_nothing_else() -> None:
    assert set(installed_with("rpc")) == {
        "grpcio",
        "protobuf",
        "grpcio-health-checking",
        "grpcio-status",
        "googleapis-common-protos",
    }


def test_every_other_extra_has_the_library_that_its_programs_import() -> None:
    for extra in ("server", "index"):
        assert {"numpy", "faiss-cpu", "lightgbm", "cryptography"} <= set(installed_with(extra))
    assert {"rich", "pyarrow", "grpcio"} <= set(installed_with("client"))


def lines_with(path: Path, start: str) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(start)]


def test_a_worker_imports_nothing_that_only_an_offline_machine_has() -> None:
    # Where pandas, pyarrow and scikit-learn are installed LightGBM imports them by itself; a lean image has none.
    blocked = f"import sys; sys.modules.update(dict.fromkeys({('pandas', 'sklearn', *NOT_IN_A_SERVER)!r}))"
    program = f"{blocked}; import server.cli, server.worker; print('imported')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout == "imported\n", done.stderr


def test_a_client_needs_neither_torch_nor_polars() -> None:
    unwanted = ("torch", "polars", "sentence_transformers", "index", "numpy", "faiss", "lightgbm", "cryptography")
    blocked = f"import sys; sys.modules.update(dict.fromkeys({unwanted!r}))"
    program = f"{blocked}; import server.batch_client, server.console_client; print('imported')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout == "imported\n", done.stderr


@pytest.mark.parametrize("text", ["\nbench:", "\ndemo:", "\ntest:", "\ncheck:", "\nproto:", "\nsetup:", "\nclean:"])
def test_the_makefile_has_every_target_that_is_promised(text: str) -> None:
    assert text in (ROOT / "Makefile").read_text(encoding="utf-8")
