"""A compiled forest scores what LightGBM scores, to the last bit, and one that does not is found out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.arrays import Float32
from recsys.compiled.compiler import compile_forest
from recsys.compiled.forest import CompiledForest, probes, require_equal
from recsys.compiled.machine_code import MachineCode
from recsys.errors import CodeRefused
from recsys.ranker import Forest

Rows = Callable[[int, int], Float32]
Trained = Callable[..., Forest]
LEAST_SEEN = np.float32(1e-35)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"objective": "lambdarank", "lambdarank_truncation_level": 10},
        {"objective": "regression"},
        {"use_missing": False},
        {"zero_as_missing": True},
        {"num_leaves": 200, "min_data_in_leaf": 1, "n_trees": 3},
        {"min_gain_to_split": 1e9},
        {"boosting": "dart"},
    ],
    ids=str,
)
def test_scores_are_those_of_lightgbm_to_the_last_bit(
    parameters: dict[str, Any], rows_of: Rows, trained: Trained, tmp_path: Path
) -> None:
    forest = trained(**parameters)
    compiled = CompiledForest.of(compile_forest(forest.text, 12, tmp_path), 12)
    rows = rows_of(500, 7)

    assert compiled.score(rows).tobytes() == forest.score(rows).tobytes()
    assert compiled.score(np.asfortranarray(rows)[::3]).tobytes() == forest.score(rows[::3]).tobytes()
    require_equal(compiled, forest)


def test_values_too_small_for_lightgbm_to_see_are_zero_here_too(
    forest: Forest, code: MachineCode, rows_of: Rows
) -> None:
    compiled = CompiledForest.of(code, 12)
    rows = rows_of(400, 3)
    rows[::2, :3] = np.array([-LEAST_SEEN, LEAST_SEEN, -np.float32(1e-40)])
    before = rows.copy()

    assert compiled.score(rows).tobytes() == forest.score(rows).tobytes()
    assert rows.tobytes() == before.tobytes()


def test_no_rows_score_nothing_and_another_width_is_refused(code: MachineCode) -> None:
    compiled = CompiledForest.of(code, 12)

    assert compiled.score(np.empty((0, 12), np.float32)).shape == (0,)
    with pytest.raises(ValueError, match="11 features for a forest of 12"):
        compiled.score(np.empty((4, 11), np.float32))


def test_threads_share_one_compiled_forest(forest: Forest, code: MachineCode, rows_of: Rows) -> None:
    compiled = CompiledForest.of(code, 12)
    batches = [rows_of(200, seed) for seed in range(4)]
    expected = [forest.score(rows).tobytes() for rows in batches]
    found: list[bool] = []

    def run(number: int) -> None:
        found.extend(compiled.score(batches[number]).tobytes() == expected[number] for _ in range(50))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 200


def test_its_memory_is_executable_and_not_writable_and_is_given_back(code: MachineCode) -> None:
    def executable() -> list[str]:
        lines = Path("/proc/self/maps").read_text().splitlines()
        return [line for line in lines if "x" in line.split()[1] and len(line.split()) == 5]

    before = executable()
    compiled = CompiledForest.of(code, 12)
    (added,) = set(executable()) - set(before)
    assert added.split()[1] == "r-xp"
    del compiled
    assert executable() == before


@pytest.mark.parametrize("parameters", [{"linear_tree": True}, {"boosting": "rf", "bagging_fraction": 0.5}], ids=str)
def test_a_forest_that_the_compiler_does_not_understand_is_found_out(
    parameters: dict[str, Any], trained: Trained, tmp_path: Path
) -> None:
    forest = trained(bagging_freq=1, **parameters)
    compiled = CompiledForest.of(compile_forest(forest.text, 12, tmp_path), 12)

    with pytest.raises(CodeRefused, match=r"scores \d+ of 300 rows otherwise than LightGBM"):
        require_equal(compiled, forest)


def test_one_threshold_moved_by_a_little_is_found_out(
    forest: Forest, code: MachineCode, trained: Trained, tmp_path: Path
) -> None:
    before, after = forest.text.split("threshold=", 1)
    first, rest = after.split(" ", 1)
    other = f"{before}threshold={float(first) + 1e-5 * abs(float(first)):.17g} {rest}"
    compiled = CompiledForest.of(compile_forest(other, 12, tmp_path), 12)

    require_equal(CompiledForest.of(code, 12), forest)
    with pytest.raises(CodeRefused, match="otherwise than LightGBM"):
        require_equal(compiled, forest)


def test_a_forest_of_several_scores_or_another_width_is_not_compiled(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(CodeRefused, match="12 features and 3 scores a row, not 12 and 1"):
        compile_forest(trained(objective="multiclass", num_class=3, n_trees=2).text, 12, tmp_path)
    with pytest.raises(CodeRefused, match="12 features and 1 scores a row, not 13 and 1"):
        compile_forest(trained(n_trees=2).text, 13, tmp_path)


def test_probes_lie_on_thresholds_and_beside_them_and_hold_what_is_missing(forest: Forest) -> None:
    rows = probes(forest.text, 12)
    threshold = np.float32(float(forest.text.split("threshold=", 1)[1].split(" ", 1)[0]))

    assert rows.shape == (300, 12)
    assert {"nan", "inf", "-inf", "0.0"} <= {str(value) for value in rows[:, 3]}
    assert np.isin([threshold, np.nextafter(threshold, np.float32(np.inf))], rows).all()
    assert rows.tobytes() == probes(forest.text, 12).tobytes()


@pytest.mark.parametrize("entry", [-1, 10**9])
def test_a_function_outside_of_its_code_is_refused(code: MachineCode, entry: int) -> None:
    with pytest.raises(CodeRefused, match="outside"):
        CompiledForest.of(MachineCode(code.code, entry), 12)
