"""What compiles forests on this machine, in words, without importing it: enough to name what was compiled."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("lleaves", "llvmlite")
# The processor as the kernel knows it; the rest of /proc/cpuinfo (clock rates, core numbers) changes by itself.
_CPU_FIELDS = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")


def why_not() -> str:
    """Why forests cannot be compiled here, in a few words; "" when they can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"this is {platform.system()} on {platform.machine()}, not Linux on x86_64"
    missing = [name for name in PACKAGES if find_spec(name) is None]
    return f"{' and '.join(missing)} cannot be imported (the extra `compiled` brings them)" if missing else ""


def toolchain() -> str:
    """The compiler's versions and this machine's processor: code of one toolchain is not for another."""
    return "\n".join([*(f"{name} {_version(name)}" for name in PACKAGES), platform.machine(), _processor()])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    """The first processor's name and features: the same on all cores of a machine this code runs on."""
    first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    fields = dict(line.partition(":")[::2] for line in first.splitlines())
    return "\n".join(
        f"{name}: {value.strip()}" for key, value in fields.items() if (name := key.strip()) in _CPU_FIELDS
    )
