"""The rule by which the study chooses, on tables small enough to choose by eye."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # the scripts of a folder find each other there when they are run

import diversity_curve as study


def window(*settings: tuple[float, float, float, float, float]) -> dict[str, Any]:
    """Settings as (diversity, spread, NDCG@10, hits-coverage@10, diversity@10) over 10,000 items."""
    names = ("diversity", "spread", "ndcg@10", "hits_coverage@10", "diversity@10")
    return {"n_items": 10_000, "settings": [dict(zip(names, setting, strict=True)) for setting in settings]}


def test_the_most_items_that_were_hits_are_chosen_among_what_loses_little() -> None:
    table = window((0, 0, 0.500, 0.01, 0.5), (0, 0.1, 0.495, 0.02, 0.5), (0, 0.2, 0.489, 0.09, 0.5))
    assert study.choose([table], 0.02) == (0, 0.1)
    assert study.choose([table], 0.03) == (0, 0.2)
    assert study.choose([table], 0.0) == (0, 0)


def test_a_loss_in_one_window_is_not_made_up_for_in_another() -> None:
    good = window((0, 0, 0.5, 0.01, 0.5), (0, 0.1, 0.55, 0.05, 0.5))
    bad = window((0, 0, 0.5, 0.01, 0.5), (0, 0.1, 0.48, 0.05, 0.5))
    assert study.choose([good, bad], 0.02) == (0, 0)


def test_within_the_error_of_the_count_variety_decides() -> None:
    # 400 hits have a standard error of 20: 381 are as good as 400, 379 are not.
    base = (0, 0, 0.5, 0.01, 0.5)
    near = window(base, (0, 0.1, 0.5, 0.0400, 0.5), (1, 0.1, 0.5, 0.0381, 0.6))
    far = window(base, (0, 0.1, 0.5, 0.0400, 0.5), (1, 0.1, 0.5, 0.0379, 0.6))
    assert study.choose([near], 0.02) == (1, 0.1)
    assert study.choose([far], 0.02) == (0, 0.1)


def test_without_texts_there_is_no_variety_to_decide_by() -> None:
    nan = float("nan")
    table = window((0, 0, 0.5, 0.01, nan), (0, 0.1, 0.5, 0.0400, nan), (1, 0.1, 0.5, 0.0399, nan))
    assert study.choose([table], 0.02) == (0, 0.1)
