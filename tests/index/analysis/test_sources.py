from __future__ import annotations

import pytest

from index.analysis.sources import LARGEST_SQUARE, ease_form, history_matters, makes_segments, n_neighbour_users


@pytest.mark.parametrize(
    ("n_users", "n_items", "form"),
    [
        (1, 50, "none"),
        (50, 1, "none"),
        (2, 2, "primal"),
        (50, 49, "primal"),
        (49, 50, "dual"),
        (10_000_000, LARGEST_SQUARE, "primal"),
        (LARGEST_SQUARE, 10_000_000, "dual"),
        (LARGEST_SQUARE + 1, LARGEST_SQUARE + 1, "truncated"),
    ],
)
def test_ease_is_solved_on_the_smaller_side_while_that_fits(n_users: int, n_items: int, form: str) -> None:
    assert ease_form(n_users, n_items) == form


def test_own_history_matters_from_one_in_a_hundred() -> None:
    assert history_matters(0.01)
    assert not history_matters(0.0099)
    assert not history_matters(float("nan"))


def test_the_users_searched_for_neighbours_are_bounded() -> None:
    assert [n_neighbour_users(n) for n in (0, 1, 2, 50_000, 9_000_000)] == [0, 0, 2, 50_000, 50_000]


@pytest.mark.parametrize(
    ("n_known", "n_distinct", "is_number", "holds"),
    [
        (300, 10, False, True),
        (299, 10, False, False),
        (300, 1, False, False),
        (60, 55, True, True),
        (59, 55, True, False),
        (60, 1, True, False),
    ],
)
def test_a_segment_needs_thirty_users(n_known: int, n_distinct: int, is_number: bool, holds: bool) -> None:
    assert makes_segments(n_known, n_distinct, is_number=is_number) is holds
