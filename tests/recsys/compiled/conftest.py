"""Forests small enough to compile in a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from recsys.arrays import Float32
from recsys.compiled.compiler import compile_forest
from recsys.compiled.machine_code import MachineCode
from recsys.compiled.toolchain import why_not
from recsys.ranker import Forest

N_FEATURES = 12


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where forests cannot be compiled there is nothing to test here."""
    if reason := why_not():
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.skip(reason=reason))


def random_rows(n_rows: int, seed: int) -> Float32:
    """Rows with missing values, zeros, a constant, an empty and an enormous column."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, N_FEATURES)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[rng.random(rows.shape) < 0.2] = 0.0
    rows[:, 3] = 1.0
    rows[:, 4] = np.nan
    rows[:, 5] *= 1e30
    rows[:, 6] = np.abs(np.round(rows[:, 6]))
    return rows


def train(n_trees: int = 8, seed: int = 0, **parameters: Any) -> Forest:
    """A forest over 12 features."""
    rows = random_rows(2000, seed)
    rng = np.random.default_rng(seed + 1)
    labels = np.nan_to_num(rows[:, [0, 1, 2, 6]]).sum(axis=1) + rng.normal(size=len(rows)) > 0
    chosen = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 5, "num_threads": 1, "seed": seed}
    chosen |= parameters
    group = [20] * 100 if chosen["objective"] == "lambdarank" else None
    data = lgb.Dataset(rows, labels.astype(np.float32), group=group, params=chosen)
    return Forest(lgb.train(chosen, data, n_trees))


@pytest.fixture(scope="session")
def rows_of() -> Callable[[int, int], Float32]:
    """``rows_of(n_rows, seed)``: see ``random_rows``."""
    return random_rows


@pytest.fixture(scope="session")
def trained() -> Callable[..., Forest]:
    """``trained(n_trees=8, seed=0, **parameters)``: see ``train``."""
    return train


@pytest.fixture(scope="session")
def forest() -> Forest:
    """A forest of eight trees."""
    return train()


@pytest.fixture(scope="session")
def code(forest: Forest, tmp_path_factory: pytest.TempPathFactory) -> MachineCode:
    """``forest``, compiled."""
    return compile_forest(forest.text, N_FEATURES, tmp_path_factory.mktemp("compiled"))
