"""Embeddings by content hash, on disk, across rebuilds: unchanged text is never encoded twice."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Float32

DIGEST_BYTES = 16
# What a killed rebuild may lose of its encoding: one segment is written after this many texts.
SEGMENT_TEXTS = 2048
Encode = Callable[[Sequence[str]], Float32]


def digests(model: str, texts: Sequence[str]) -> NDArray[np.bytes_]:
    """(n,) keys: 128 bits over the model's name and the text."""
    prefix = hashlib.blake2b(model.encode() + b"\0", digest_size=DIGEST_BYTES)
    out = []
    for text in texts:
        digest = prefix.copy()
        digest.update(text.encode("utf-8", "surrogatepass"))
        out.append(digest.hexdigest())
    return np.array(out, dtype=f"S{2 * DIGEST_BYTES}")


@dataclass(frozen=True, slots=True)
class EmbeddingCache:
    """Segments of (keys, vectors) under ``folder``; a segment appears whole or not at all. Never pickled."""

    folder: Path

    def vectors(
        self, model: str, texts: Sequence[str], encode: Encode, advance: Callable[[int], None] = lambda n: None
    ) -> tuple[Float32, int]:
        """Vectors (n, d) of distinct ``texts`` and how many had to be encoded now.

        Only the missing ones reach ``encode``, shortest first, so that the model's batches hold little padding.
        """
        keys = digests(model, texts)
        out: Float32 | None = None
        missing = np.ones(len(texts), bool)
        order = np.argsort(keys)
        for known_keys, known in self._segments():
            position = np.minimum(np.searchsorted(keys[order], known_keys), len(keys) - 1)
            hit = keys[order][position] == known_keys
            rows = order[position[hit]]
            if not len(rows):
                continue
            if out is None:
                out = np.empty((len(texts), known.shape[1]), np.float32)
            out[rows] = known[hit]
            missing[rows] = False
        advance(int((~missing).sum()))
        todo = np.flatnonzero(missing)
        todo = todo[np.argsort([len(texts[i]) for i in todo], kind="stable")]
        for start in range(0, len(todo), SEGMENT_TEXTS):
            rows = todo[start : start + SEGMENT_TEXTS]
            fresh = encode([texts[i] for i in rows])
            if out is None:
                out = np.empty((len(texts), fresh.shape[1]), np.float32)
            out[rows] = fresh
            self._append(keys[rows], fresh)
            advance(len(rows))
        return (out if out is not None else np.empty((0, 0), np.float32)), len(todo)

    def _segments(self) -> list[tuple[NDArray[np.bytes_], Float32]]:
        found = []
        for path in sorted(self.folder.glob("*.keys.npy")):
            vectors_path = path.with_name(path.name.replace(".keys.", ".vectors."))
            try:
                keys = np.load(path, allow_pickle=False)
                vectors = np.load(vectors_path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError):
                continue  # half a segment: its texts are simply encoded again
            if len(keys) == len(vectors) and len(keys):
                found.append((keys, vectors))
        return found

    def _append(self, keys: NDArray[np.bytes_], vectors: Float32) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.blake2b(keys.tobytes(), digest_size=8).hexdigest()
        # Vectors first: a segment counts from the moment its keys are there.
        for kind, array in (("vectors", vectors), ("keys", keys)):
            handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".part")
            with os.fdopen(handle, "wb") as file:
                np.save(file, array, allow_pickle=False)
            os.replace(temporary, self.folder / f"{name}.{kind}.npy")
