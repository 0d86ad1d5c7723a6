"""Draws that several worlds share, all rows at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from shops.shop import Floats, Ints


def heavy(rng: np.random.Generator, n: int, *, spread: float) -> Floats:
    """(n,) shares that sum to 1, log-normal: few are large; the larger ``spread`` the fewer."""
    weights = np.exp(spread * rng.standard_normal(n))
    return weights / weights.sum()


def picked(rng: np.random.Generator, weights: Floats, rows: Ints) -> Ints:
    """(n,) columns of ``weights`` (r, m) drawn by the row that ``rows`` (n,) names."""
    edges = np.cumsum(weights, axis=1)
    edges /= edges[:, -1:]
    # One search in all rows: those of row r lie between r and r + 1.
    flat = (edges + np.arange(len(edges))[:, None]).ravel()
    found = np.searchsorted(flat, rows + rng.random(len(rows)), side="right") - rows * weights.shape[1]
    return np.clip(found, 0, weights.shape[1] - 1).astype(np.int64)


def best(rng: np.random.Generator, utilities: Floats, *, noise: float = 1.0) -> Ints:
    """(n,) positions of what n people take of m things (n, m) each: the best after Gumbel noise, a logit choice."""
    return np.argmax(utilities + noise * rng.gumbel(size=utilities.shape), axis=1).astype(np.int64)


def directions(rng: np.random.Generator, n: int, width: int) -> Floats:
    """(n, width) unit vectors."""
    rows = rng.standard_normal((n, width))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def wandering(rng: np.random.Generator, n_steps: int, n: int, *, step: float) -> Floats:
    """(n_steps, n) log-popularity that drifts: random walks that begin at 0."""
    walk = np.cumsum(step * rng.standard_normal((n_steps, n)), axis=0)
    return walk - walk[:1]


def words(rng: np.random.Generator, n: int, *, length: int = 2) -> list[str]:
    """n pronounceable names that mean nothing."""
    syllables: Sequence[str] = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "il")]
    parts = rng.integers(len(syllables), size=(n, length))
    return ["".join(syllables[part] for part in row).capitalize() for row in parts]
