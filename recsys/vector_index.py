"""Inner-product search over vectors. The one module that knows Faiss."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from recsys.arrays import Bool, Float32, Int32, Int64, frozen
from recsys.errors import SnapshotCorrupt
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

# Below this many numbers a full scan costs a fraction of a millisecond, and is exact.
EXACT_BELOW = 4_000_000
TARGET_RECALL = 0.97
# Of what a mask that allows less than half leaves. Where more is allowed a search without a mask is as good a guide.
MASKED_RECALL = 0.98
# Shares of the rows that a mask may allow, for each of which building finds out how many cells must be visited.
MASKED_SHARES = (1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128)
# Up to so many allowed rows are all looked at, which is exact: 1 to 3 ms with 64 numbers a row. Of a million rows that
# is one in a hundred, where visiting enough cells takes as long (tests/benchmarks/bench_filters.py).
SCANNED_ROWS = 10_000
# A search is short and one of many: its parallelism is the caller's workers. Only building uses all cores.
faiss.omp_set_num_threads(1)
# A map of rows that is being made looks as if it were ready.
_MAPPING = threading.Lock()


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """Rows of vectors found by inner product.

    index: a Faiss index, flat or IVF by size · n_probe: cells visited a search, 0 for a flat index. Parameters go with
    each call and never into the shared index, so that searches from several threads do not disturb one another.
    masked: cells visited under masks by the share of rows they allow, descending; None in an index written before there
    were filters, which treats every mask as it did: its snapshot's golden queries must keep their answers.
    """

    index: Any
    n_probe: int
    masked: tuple[tuple[float, int], ...] | None = ()

    @classmethod
    def build(cls, vectors: Float32, *, sample: Float32, seed: int, k: int = 100) -> VectorIndex:
        """Index ``vectors`` (n, d); ``sample`` (q, d) are queries like those to come.

        Large tables get an inverted file whose probes are doubled until the sample's recall@k against an exact scan
        reaches TARGET_RECALL, and further for what random masks leave until it reaches MASKED_RECALL. Memory: the
        vectors once more, plus 4 bytes a row; while building, the sample's scores of every row besides.
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
        sample = np.ascontiguousarray(sample)
        scores = sample @ vectors.T
        n_probe = _probes_for(ivf, sample, scores, np.arange(n), k, at_least=8, recall=TARGET_RECALL)
        masked: list[tuple[float, int]] = []
        rng = np.random.default_rng(seed)
        for share in MASKED_SHARES:
            if share * n > SCANNED_ROWS:
                rows = np.flatnonzero(rng.random(n) < share)
                fewest = masked[-1][1] if masked else n_probe
                found = _probes_for(ivf, sample, scores, rows, k, at_least=fewest, recall=MASKED_RECALL)
                masked.append((share, found))
        return cls(ivf, n_probe, tuple(masked))

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
        n_allowed = self.n_rows if allowed is None else int(np.count_nonzero(allowed))
        k = min(k, n_allowed)
        if k <= 0:
            return frozen([], np.int32), frozen([], np.float32)
        if allowed is None:
            return self._found(query, k, self.n_probe, None)
        if self.n_probe and self.masked is not None and n_allowed <= SCANNED_ROWS:
            return self._scanned(query, k, np.flatnonzero(allowed))
        bits = np.packbits(allowed, bitorder="little")
        # The selector borrows the bits: both names must outlive the search.
        selector = faiss.IDSelectorBitmap(bits)
        rows, scores = self._found(query, k, self._probes(n_allowed), selector)
        if len(rows) < k and self.n_probe and self.masked is not None:
            # The allowed rows lie elsewhere than the query: all cells, or the page would not be full.
            rows, scores = self._found(query, k, int(self.index.nlist), selector)
        return rows, scores

    def _probes(self, n_allowed: int) -> int:
        """How many cells to visit when ``n_allowed`` rows are allowed; 0 for a flat index."""
        share = n_allowed / self.n_rows
        if share >= 0.5 or not self.masked:
            return self.n_probe
        # That of the next smaller share: rather too many cells than too few.
        return next((n_probe for smaller, n_probe in self.masked if smaller <= share), self.masked[-1][1])

    def _found(self, query: Float32, k: int, n_probe: int, selector: Any) -> tuple[Int32, Float32]:
        parameters = (
            faiss.SearchParametersIVF(sel=selector, nprobe=n_probe) if n_probe else faiss.SearchParameters(sel=selector)
        )
        scores, rows = self.index.search(query.reshape(1, -1), k, params=parameters)
        found = rows[0] >= 0  # Faiss pads with -1
        return rows[0][found].astype(np.int32), scores[0][found]

    def _scanned(self, query: Float32, k: int, rows: Int64) -> tuple[Int32, Float32]:
        """The best ``k`` of ``rows`` (m,), exactly. The first call notes where each row lies, 8 bytes a row."""
        with _MAPPING:
            self.index.make_direct_map(True)  # at once when there is one
        scores = self.index.reconstruct_batch(rows) @ np.asarray(query, np.float32)
        best = np.lexsort((rows, -scores))[:k]
        return rows[best].astype(np.int32), scores[best]

    def write(self, out: SnapshotWriter, name: str) -> None:
        """Store as ``indexes/<name>.faiss`` and its parameters."""
        faiss.write_index(self.index, str(out.path(f"indexes/{name}.faiss")))
        facts = {"n_probe": self.n_probe, "masked": self.masked, "n_rows": self.n_rows, "width": self.width}
        out.json(f"indexes/{name}.json", facts)

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
        if (masked := facts.get("masked")) is not None:
            masked = tuple((float(share), int(n_probe)) for share, n_probe in masked)
        return cls(index, int(facts["n_probe"]), masked)


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


def _probes_for(
    ivf: Any, sample: Float32, scores: Float32, rows: Int64, k: int, *, at_least: int, recall: float
) -> int:
    """The fewest probes, by doubling, that find ``recall`` of each query's best ``k`` of ``rows`` (m,) ascending.

    sample (q, d): the queries · scores (q, n): their products with every row.
    """
    n, k = scores.shape[1], min(k, len(rows))
    if not len(sample):
        return min(at_least, int(ivf.nlist))
    exact = rows[np.argpartition(-(scores if len(rows) == n else scores[:, rows]), k - 1, axis=1)[:, :k]]
    allowed = np.zeros(n, np.bool_)
    allowed[rows] = True
    bits = np.packbits(allowed, bitorder="little")
    selector = faiss.IDSelectorBitmap(bits) if len(rows) < n else None
    n_probe = at_least
    while n_probe < ivf.nlist:
        _, answers = ivf.search(sample, k, params=faiss.SearchParametersIVF(sel=selector, nprobe=n_probe))
        found = sum(len(np.intersect1d(a, b)) for a, b in zip(exact, answers, strict=True))
        if found >= recall * exact.size:
            break
        n_probe *= 2
    return min(n_probe, int(ivf.nlist))
