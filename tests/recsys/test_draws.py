"""Chance that is the same for the same question, and even-handed over many."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np

from recsys.arrays import Int32, frozen
from recsys.draws import Draws, _mixed

N_QUESTIONS = 6000
ITEMS = [3, 5, 8, 13]


def items_of(numbers: object) -> Int32:
    return frozen(list(numbers), np.int32)  # type: ignore[call-overload]


def draws(question: object, items: object = ITEMS, *, share: float = 0.25, n_places: int = 8) -> Draws:
    return Draws.of((question,), items_of(items), share=share, n_places=n_places)


def test_the_same_question_draws_the_same_and_another_differently() -> None:
    one, again, other = draws("a", range(50)), draws("a", range(50)), draws("b", range(50))
    assert one.keys.tolist() == again.keys.tolist()
    assert one.places.tolist() == again.places.tolist()
    assert one.keys.tolist() != other.keys.tolist()


def test_what_is_drawn_depends_on_no_version_of_anything() -> None:
    # Golden questions of snapshots keep their answers as long as this holds.
    found = Draws.of(("u", 1_500_000_000, "home", (), ""), items_of(range(5)), share=0.3, n_places=12)
    assert found.keys.tolist() == [
        8331847553357139432,
        6935512084744663623,
        5494850164712899652,
        8114681813565566943,
        2936336511095694512,
    ]
    assert np.flatnonzero(found.places).tolist() == [8, 11]


def test_splitmix_is_what_its_authors_publish() -> None:
    # Its well-known test vector of seed 1234567.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert _mixed(np.uint64(1234567), np.arange(3)).tolist() == expected


def test_an_item_that_comes_does_not_stir_the_others() -> None:
    before, after = draws("a", [1, 2, 7]), draws("a", [1, 2, 4, 7])
    assert after.keys[[0, 1, 3]].tolist() == before.keys.tolist()


def test_every_order_is_as_likely_as_any_other() -> None:
    found = Counter(tuple(draws(n).in_order(items_of(ITEMS)).tolist()) for n in range(N_QUESTIONS))
    assert set(found) == set(permutations(range(4)))
    expected = N_QUESTIONS / 24
    # Chi-square with 23 degrees of freedom: 49.7 is its 99.9 % point.
    assert sum((n - expected) ** 2 / expected for n in found.values()) < 49.7


def test_every_place_is_given_away_with_the_share_and_none_knows_of_another() -> None:
    places = np.array([draws(n).places for n in range(N_QUESTIONS)], float)
    deviations = (places.mean(axis=0) - 0.25) / np.sqrt(0.25 * 0.75 / N_QUESTIONS)
    assert np.abs(deviations).max() < 3.5
    correlations = np.corrcoef(places.T) - np.eye(8)
    assert np.abs(correlations).max() < 4 / np.sqrt(N_QUESTIONS)


def test_those_that_come_first_are_those_of_the_order() -> None:
    found = draws("a", range(100))
    order = found.in_order(items_of(range(100)))
    assert found.first(10, besides=items_of([])).tolist() == sorted(order[:10].tolist())
    others = [item for item in order.tolist() if item % 2]
    assert found.first(10, besides=items_of(range(0, 100, 2))).tolist() == sorted(others[:10])
    assert found.first(0, besides=items_of([])).tolist() == []
    assert found.first(200, besides=items_of([])).tolist() == list(range(100))


def test_only_what_may_be_drawn_is_in_the_order() -> None:
    found = draws("a", [3, 9])
    assert sorted(found.in_order(items_of([9, 1, 3, 4])).tolist()) == [0, 2]
    assert found.among(items_of([9, 1, 3, 4])).tolist() == [True, False, True, False]
    nothing = draws("a", [])
    assert nothing.in_order(items_of([1, 2])).tolist() == []
    assert not nothing.among(items_of([1, 2])).any()
