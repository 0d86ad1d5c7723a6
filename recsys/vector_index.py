"""Inner-product search over vectors. The one module that knows Faiss."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from recsys.arrays import Bool, Float32, Int32, frozen
from recsys.errors import SnapshotCorrupt
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

# Below this many numbers a full scan costs a fraction of a millisecond, and is exact.
EXACT_BELOW = 4_000_000
TARGET_RECALL = 0.97
# A search is short and one of many: its parallelism is the caller's workers. Only building uses all cores.
faiss.omp_set_num_threads(1)


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """Rows of vectors found by inner product.

    index: a Faiss index, flat or IVF by size · n_probe: cells visited a search, 0 for a flat index. Parameters go with
    each call and never into the shared index, so that searches from several threads do not disturb one another.
    """

    index: Any
    n_probe: int

    @classmethod
    def build(cls, vectors: Float32, *, sample: Float32, seed: int, k: int = 100) -> VectorIndex:
        """Index ``vectors`` (n, d); ``sample`` (q, d) are queries like those to come.

        Large tables get an inverted file whose probes are doubled until the sample's recall@k against an exact scan
        reaches TARGET_RECALL. Memory: the vectors once more, plus 4 bytes a row.
        """
        with _all_cores():
            return cls._build(vectors, sample, seed, k)

    @classmethod
    def _build(cls, vectors: Float32, sample: Float32, seed: int, k: int) -> VectorIndex:
        n, width = vectors.shape
        if n * width <= EXACT_BELOW:
            flat = faiss.IndexFlatIP(width)
            flat.add(np.ascontiguousarray(vectors))
            return cls(flat, 0)
        n_cells = max(1, min(int(4 * math.sqrt(n)), n // 40))
        quantizer = faiss.IndexFlatIP(width)
        ivf = faiss.IndexIVFFlat(quantizer, width, n_cells, faiss.METRIC_INNER_PRODUCT)
        ivf.own_fields = True
        quantizer.this.disown()
        ivf.cp.seed, ivf.cp.min_points_per_centroid, ivf.cp.max_points_per_centroid = seed, 1, 64
        ivf.train(np.ascontiguousarray(vectors))
        ivf.add(np.ascontiguousarray(vectors))
        return cls(ivf, _probes_for(ivf, vectors, sample, k))

    @property
    def n_rows(self) -> int:
        """How many vectors it holds."""
        return int(self.index.ntotal)

    @property
    def width(self) -> int:
        """Length of a vector."""
        return int(self.index.d)

    def search(self, query: Float32, k: int, allowed: Bool | None = None) -> tuple[Int32, Float32]:
        """The ``k`` rows (k',) best for ``query`` (d,), and their scores; only rows where ``allowed`` (n,) is True."""
        k = min(k, self.n_rows)
        if k <= 0:
            return frozen([], np.int32), frozen([], np.float32)
        selector = None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            # The selector borrows the bits: both names must outlive the search.
            selector = faiss.IDSelectorBitmap(bits)
        parameters = (
            faiss.SearchParametersIVF(sel=selector, nprobe=self.n_probe)
            if self.n_probe
            else faiss.SearchParameters(sel=selector)
        )
        scores, rows = self.index.search(query.reshape(1, -1), k, params=parameters)
        found = rows[0] >= 0  # Faiss pads with -1
        return rows[0][found].astype(np.int32), scores[0][found]

    def write(self, out: SnapshotWriter, name: str) -> None:
        """Store as ``indexes/<name>.faiss`` and its parameters."""
        faiss.write_index(self.index, str(out.path(f"indexes/{name}.faiss")))
        out.json(f"indexes/{name}.json", {"n_probe": self.n_probe, "n_rows": self.n_rows, "width": self.width})

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> VectorIndex:
        """The index that ``write`` stored, memory-mapped. Its file must have been verified before this call."""
        facts = src.json(f"indexes/{name}.json")
        path = src.path(f"indexes/{name}.faiss")
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise SnapshotCorrupt(f"indexes/{name}.faiss cannot be read as an index") from error
        if (index.ntotal, index.d) != (facts["n_rows"], facts["width"]):
            raise SnapshotCorrupt(f"indexes/{name}.faiss holds {index.ntotal} rows of {index.d}, not what was written")
        return cls(index, int(facts["n_probe"]))


def exact_search(vectors: Float32, query: Float32, k: int, allowed: Bool | None = None) -> Int32:
    """The true ``k`` best rows of ``vectors`` (n, d) for ``query`` (d,): what recall is measured against."""
    scores = vectors @ query
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    best = np.argsort(-scores, kind="stable")[:k]
    return frozen(best[np.isfinite(scores[best])], np.int32)


@contextmanager
def _all_cores() -> Iterator[None]:
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(1)


def _probes_for(ivf: Any, vectors: Float32, sample: Float32, k: int) -> int:
    """The fewest probes, by doubling, at which recall@k on ``sample`` reaches the target."""
    k = min(k, len(vectors))
    sample = np.ascontiguousarray(sample)
    exact = np.sort(np.argpartition(-(sample @ vectors.T), k - 1, axis=1)[:, :k], axis=1) if len(sample) else None
    n_probe = 8
    while n_probe < ivf.nlist and exact is not None:
        _, rows = ivf.search(sample, k, params=faiss.SearchParametersIVF(nprobe=n_probe))
        found = sum(len(np.intersect1d(a, b)) for a, b in zip(exact, rows, strict=True))
        if found >= TARGET_RECALL * exact.size:
            break
        n_probe *= 2
    return min(n_probe, int(ivf.nlist))
