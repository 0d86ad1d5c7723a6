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


def test_nothing_loads_torch_before_it_is_needed() -> None:
    """Contracts see that nobody but the trainer imports it; this, that it is not imported on the way."""
    code = "import sys, server.worker, recsys.model, index.build; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
