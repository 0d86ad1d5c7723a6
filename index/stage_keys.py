"""Keys of what is kept on disk: equal keys mean equal rows, for a key is a digest of everything they depend on."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Set
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import index
import recsys
from index.dataset import Dataset
from index.fit import Timeless
from index.fit_settings import FitSettings
from index.labelled import Extent
from index.windows import Window
from recsys.interactions import Interactions
from recsys.snapshot.canonical import canonical

# Whose results, or their last bits, may be others in another version.
PACKAGES = ("numpy", "scipy", "scikit-learn", "implicit", "faiss-cpu", "lightgbm", "threadpoolctl", "torch")
# Sections of the settings whose effect is in the arrays already, or that change no row; any other is part of the key.
IN_ARRAYS = frozenset({"columns", "events", "text", "encoder", "cleaning", "features", "sources", "gates", "serving"})
# Windows are told one by one.
IN_WINDOWS = frozenset({"windows", "horizon_days"})


class _Hash(Protocol):
    def update(self, data: Any, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Keys:
    """Of one dataset. base: digest of the code and of all that does not depend on when."""

    base: str

    @classmethod
    def of(cls, dataset: Dataset, timeless: Timeless) -> Keys:
        """Ids, catalogue, profiles, embeddings and settings. About a second for a million items."""
        digest = hashlib.sha256(code_digest().encode())
        settings = {name: part for name, part in dataset.settings.to_json().items() if name not in IN_ARRAYS}
        settings["training"] = {k: v for k, v in settings["training"].items() if k not in IN_WINDOWS}
        digest.update(canonical(settings))
        for id in dataset.user_ids:
            digest.update(id.encode() + b"\0")
        catalogue, profiles = timeless.catalogue, timeless.profiles
        digest.update(canonical([list(profiles.names), list(catalogue.codes), list(timeless.platforms)]))
        texts = (catalogue.titles, catalogue.categories, catalogue.brands)
        _arrays(
            digest,
            (
                catalogue.items.keys,
                *(part for text in texts for part in (text.blob, text.offsets)),
                catalogue.prices,
                catalogue.in_stock,
                catalogue.gone,
                catalogue.created_at,
                *catalogue.codes.values(),
                profiles.values,
                timeless.vectors,
                timeless.text_of,
            ),
        )
        return cls(digest.hexdigest())

    def of_window(
        self, interactions: Interactions, window: Window, extent: Extent, *, off: Set[str], fitting: FitSettings
    ) -> str:
        """The key of a window's rows: they depend on what lies before its end and on nothing after."""
        facts = [window.start, window.end, *extent, sorted(off), fitting.to_json()]
        return self._with(facts, interactions.before(window.end))

    def of_everything(self, interactions: Interactions, end: int, *, off: Set[str]) -> str:
        """What tells this data set, read up to ``end``, from any other."""
        return self._with([end, sorted(off)], interactions)

    def _with(self, facts: list[Any], interactions: Interactions) -> str:
        digest = hashlib.sha256(self.base.encode())
        digest.update(canonical(facts))
        _arrays(digest, (getattr(interactions, field.name) for field in fields(Interactions)))
        return digest.hexdigest()


@cache
def code_digest() -> str:
    """Of every source file of the library and the offline application, and of the packages that compute for them."""
    return sources_digest([Path(str(package.__file__)).parent for package in (recsys, index)])


def sources_digest(folders: Iterable[Path]) -> str:
    """Of every .py file below ``folders`` by its name and bytes, and of the versions of Python and PACKAGES."""
    digest = hashlib.sha256(canonical([sys.version, {name: _version(name) for name in PACKAGES}]))
    for folder in folders:
        paths = sorted(folder.rglob("*.py"))
        if not paths:
            digest.update(os.urandom(16))  # code that cannot be told from other code is never the same
        for path in paths:
            raw = path.read_bytes()
            digest.update(f"{folder.name}/{path.relative_to(folder)} {len(raw)}\n".encode())
            digest.update(raw)
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _arrays(digest: _Hash, arrays: Iterable[NDArray[Any] | None]) -> None:
    """Add type, shape and bytes of each, so that no two lists of arrays give the same bytes."""
    for array in arrays:
        if array is None:
            digest.update(b"none\n")
            continue
        digest.update(f"{array.dtype.str} {array.shape}\n".encode())
        if array.size:
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
