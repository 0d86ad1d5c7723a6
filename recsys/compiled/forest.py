"""A compiled forest in memory, and the proof that it scores as LightGBM does."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32, Float64
from recsys.compiled.machine_code import MachineCode
from recsys.errors import CodeRefused
from recsys.ranker import Forest

# (rows, scores, first row, row after the last); ctypes lets other threads run while it runs.
_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32)
_SPLITS = re.compile(r"^split_feature=(.*)$\n(?:.*\n)*?threshold=(.*)$", re.MULTILINE)
# LightGBM's kZeroThreshold.
_ZERO = np.float32(1e-35)
N_PROBES = 300


@dataclass(frozen=True, slots=True)
class CompiledForest:
    """A forest as machine code; the memory it lies in is given back with it. One thread a call."""

    n_features: int
    function: Callable[[int, int, int, int], None]
    memory: mmap.mmap

    @classmethod
    def of(cls, code: MachineCode, n_features: int) -> CompiledForest:
        """Put ``code`` into memory that is never writable and executable at once. OSError when the system forbids it.

        The code is trusted: it comes from this machine's own compiler, see ``ForestCache``.
        """
        if not 0 <= code.entry < len(code.code):
            raise CodeRefused(f"the function begins at {code.entry}, outside of {len(code.code)} bytes of code")
        # A copy rather than the file itself: what was checked is what runs, and a folder mounted noexec will do.
        memory = mmap.mmap(-1, len(code.code), flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        memory.write(code.code)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        if protect(start, len(code.code), mmap.PROT_READ | mmap.PROT_EXEC) != 0:
            raise OSError(ctypes.get_errno(), f"memory cannot be made executable: {os.strerror(ctypes.get_errno())}")
        return cls(n_features, _FUNCTION(start + code.entry), memory)

    def score(self, features: Float32) -> Float64:
        """(C, F) -> (C,) raw scores, bit for bit those of LightGBM. ValueError on another number of features."""
        n_rows, n_features = features.shape
        if n_features != self.n_features:
            raise ValueError(f"{n_features} features for a forest of {self.n_features}")
        rows = np.array(features, np.float64, order="C")
        # LightGBM does not see values this small; they would fall on the other side of its thresholds beside 0.
        rows[np.abs(features) <= _ZERO] = 0.0
        scores = np.zeros(n_rows)
        self.function(rows.ctypes.data, scores.ctypes.data, 0, n_rows)
        return scores


def require_equal(compiled: CompiledForest, forest: Forest) -> None:
    """Raise CodeRefused unless both score rows on and beside the forest's own thresholds, NaN among them, the same."""
    rows = probes(forest.text, compiled.n_features)
    expected, scores = forest.score(rows), compiled.score(rows)
    if expected.tobytes() != scores.tobytes():
        n_differing = int((expected != scores).sum())
        raise CodeRefused(f"the compiled forest scores {n_differing} of {len(rows)} rows otherwise than LightGBM")


def probes(text: str, n_features: int, n_rows: int = N_PROBES) -> Float32:
    """(n_rows, n_features) to tell forests apart: values of the thresholds in ``text``, their neighbours, NaN, 0, ∞."""
    rng = np.random.default_rng(0)
    splits = [(f.split(), t.split()) for f, t in _SPLITS.findall(text)]
    owners = np.array([int(one) for features, _ in splits for one in features], np.int64)
    with np.errstate(over="ignore"):
        thresholds = np.array([float(one) for _, values in splits for one in values]).astype(np.float32)
    rows = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    for feature in np.unique(owners):
        rows[:, feature] = rng.choice(thresholds[owners == feature], n_rows)
    kind = rng.random(rows.shape)
    for low, other in ((0.4, np.inf), (0.55, -np.inf)):
        beside = (kind >= low) & (kind < low + 0.15)
        rows[beside] = np.nextafter(rows[beside], np.float32(other))
    for low, value in ((0.7, np.nan), (0.9, 0.0), (0.95, np.inf), (0.975, -np.inf)):
        rows[kind >= low] = value
    return rows
