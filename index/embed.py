"""The catalogue's texts as vectors: distinct texts only, through the cache, the encoder loaded only if needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.embedding_cache import EmbeddingCache
from index.encoder import Encoder
from recsys.arrays import Float32, Int32, frozen


@dataclass(frozen=True, slots=True)
class Embedded:
    """vectors (T, d) of T distinct texts, text_of (n_items,) int32 (-1 without text), how many were encoded now."""

    vectors: Float32 | None
    text_of: Int32
    n_encoded: int


def distinct_texts(texts: Sequence[str]) -> tuple[list[str], Int32]:
    """Distinct non-empty texts in order, and each item's row among them (-1 for an empty text)."""
    rows: dict[str, int] = {}
    text_of = [rows.setdefault(text, len(rows)) if text else -1 for text in texts]
    return list(rows), frozen(text_of, np.int32)


def embed(
    texts: Sequence[str],
    *,
    model: str,
    batch_size: int,
    cache: Path,
    advance: Callable[[int], None] = lambda n: None,
) -> Embedded:
    """Embed the items' ``texts``; "" is an item without text. ``advance`` is told the number of texts done."""
    distinct, text_of = distinct_texts(texts)
    if not distinct:
        return Embedded(None, text_of, 0)

    loaded: list[Encoder] = []

    def encode(missing: Sequence[str]) -> Float32:
        if not loaded:  # unchanged catalogues never pay the import and the weights
            loaded.append(Encoder.load(model, batch_size=batch_size))
        return loaded[0].encode(missing)

    vectors, n_encoded = EmbeddingCache(cache).vectors(model, distinct, encode, advance)
    return Embedded(frozen(vectors, np.float32), text_of, n_encoded)
