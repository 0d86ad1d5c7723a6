"""The contracts between the packages, as pyproject.toml states them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAIN = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"


def test_every_import_keeps_the_contracts() -> None:
    done = subprocess.run([sys.executable, "-c", MAIN], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout
    assert "Contracts: 0 kept" not in done.stdout
