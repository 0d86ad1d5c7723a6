"""Gates: checks that stop a bad snapshot before anyone is served from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys.arrays import Float32
from recsys.ask import Ask, resolve
from recsys.errors import GateFailed
from recsys.model import Snapshot
from recsys.sources.protocol import VectorSource
from recsys.vector_index import VectorIndex, exact_search

# What a gate's value is held against when recsys.toml does not say otherwise.
DEFAULT_LIMITS: Mapping[str, float] = {
    "min_rows": 1,
    "ann_recall": 0.9,
    "ndcg_vs_popular": 1.0,
    "ndcg_vs_history": 0.97,
    "ndcg_vs_current": 0.8,
    "coverage": 0.0,
    "finite": 1.0,
    "max_bytes": 32e9,
}
# What another choice of fusions and sources may mend.
OF_SELECTION = frozenset({"ndcg_vs_popular", "ndcg_vs_history", "ndcg_vs_current", "coverage"})
# With fewer users a difference of NDCG is noise, and noise must not keep a snapshot from being published.
LEAST_VALIDATED = 200
N_QUERIES = 100
K = 50


@dataclass(frozen=True, slots=True)
class Gate:
    """``value`` None: too few data to measure it, which is no failure. Bytes have a ceiling, others a floor."""

    name: str
    value: float | None
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the snapshot may be published as far as this gate is concerned."""
        if self.value is None:
            return True
        return self.value <= self.limit if self.name == "max_bytes" else self.value >= self.limit

    def to_json(self) -> dict[str, Any]:
        """As the manifest keeps it."""
        return {"name": self.name, "value": self.value, "limit": float(self.limit), "passed": self.passed}


def gates_of(values: Mapping[str, float | None], limits: Mapping[str, float], *, n_validated: int) -> tuple[Gate, ...]:
    """A gate for each value, at the given limit or the default one; a value that is not finite counts as unmeasured.

    So does a gate on NDCG whose limit is the default one when fewer than LEAST_VALIDATED users were scored.
    """
    merged = {**DEFAULT_LIMITS, **limits}
    few = n_validated < LEAST_VALIDATED

    def measured(name: str, value: float | None) -> float | None:
        if value is None or not math.isfinite(value) or (few and name.startswith("ndcg") and name not in limits):
            return None
        return float(value)

    return tuple(Gate(name, measured(name, value), float(merged[name])) for name, value in values.items())


def refuse_failed(gates: Sequence[Gate]) -> None:
    """Raise GateFailed naming every gate that did not pass, with what was measured and what is asked."""
    failed = [gate for gate in gates if not gate.passed]
    if failed:
        said = ", ".join(f"{g.name} is {g.value:.4g}, the limit is {g.limit:.4g}" for g in failed)
        raise GateFailed(f"the new snapshot is not published: {said}")


def ratio(value: float | None, reference: float | None) -> float | None:
    """value / reference; None when either is unknown or there is nothing to compare with."""
    return value / reference if value is not None and reference else None


def ann_recall(snapshot: Snapshot, seed: int) -> float | None:
    """The worst index's mean recall@50 against exact search, asked by real users; None without any index."""
    rng = np.random.default_rng(seed)
    users = np.flatnonzero(np.diff(snapshot.histories.starts) > 0).astype(np.int32)
    users = rng.choice(users, min(N_QUERIES, len(users)), replace=False)
    at = snapshot.last_event_at + 1
    queries = [resolve(Ask(at=at, user_id=user_id), snapshot).query for user_id in snapshot.users.ids(users)]
    found = []
    for source in _vector_sources(snapshot):
        vectors = [vector for query in queries if (vector := source.vector_of(query)) is not None]
        found.append(_recall(source.index, source.indexed_vectors, vectors))
    return min((value for value in found if math.isfinite(value)), default=None)


def _vector_sources(snapshot: Snapshot) -> list[VectorSource]:
    return [source for source in snapshot.model.sources.values() if isinstance(source, VectorSource)]


def _recall(index: VectorIndex, vectors: Float32, queries: Sequence[Float32]) -> float:
    shares = []
    for query in queries:
        exact = exact_search(vectors, query, K)
        shares.append(len(np.intersect1d(exact, index.search(query, K)[0])) / max(len(exact), 1))
    return float(np.mean(shares)) if shares else math.nan


def finite_share(snapshot: Snapshot) -> float:
    """Share of the golden questions whose scores are all finite, and of the arrays that vector sources multiply."""
    arrays = [array for source in _vector_sources(snapshot) for array in source.arrays.values()]
    good = [bool(np.isfinite(array).all()) for array in arrays]
    good += [bool(np.isfinite(snapshot.recommend(ask).slate.scores).all()) for ask in snapshot.golden_asks()]
    return float(np.mean(good)) if good else 1.0
