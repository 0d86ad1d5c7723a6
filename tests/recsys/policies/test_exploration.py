"""Exploration on paper, and by counting: what it calls likely is what happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.draws import Draws
from recsys.model import Snapshot
from recsys.policies.chain import applied, steps_of
from recsys.policies.exploration import Exploration, Placed
from recsys.policies.freshness import age_days, new_items
from recsys.policy_settings import ExplorationSettings, Promotion
from recsys.query import Query, Slate
from recsys.serving import ServingConfig

World = Callable[..., Snapshot]
N_ITEMS = 40
DAY = 86_400
SHARE = 0.25


def slate_of(items: Sequence[int]) -> Slate:
    return Slate(frozen(list(items), np.int32), frozen(np.linspace(2, -2, len(items)), np.float32))


def bits_of(items: Sequence[int]) -> np.ndarray:
    mask = np.zeros(N_ITEMS, bool)
    mask[list(items)] = True
    return np.packbits(mask)


def drawing(order: Sequence[int], *, at: Sequence[int], n_places: int = 20) -> Draws:
    """Draws of ``order``, one after the other, at the places ``at`` from 0."""
    keys = {item: key for key, item in enumerate(order)}
    items = sorted(order)
    places = np.isin(np.arange(n_places), at)
    return Draws(
        SHARE,
        frozen(places, np.bool_),
        frozen(items, np.int32),
        frozen([keys[item] for item in items], np.uint64),
    )


@pytest.fixture(scope="module")
def plain(world: World) -> Snapshot:
    return world([(0, 0, 1)], n_users=1, n_items=N_ITEMS)


@pytest.fixture
def query(plain: Snapshot, query_of: Callable[..., Query]) -> Query:
    return query_of(plain, "u00", limit=20)


def placed(query: Query, draws: Draws, items: Sequence[int], n_spare: int = 0) -> list[tuple[int, bool, float]]:
    """Item, whether by chance, and propensity of each place."""
    found = Exploration(n_spare).placed(replace(query, draws=draws), slate_of(items))
    return [(items[one.position], one.is_explored, one.propensity) for one in found]


def test_a_place_that_is_given_away_has_a_new_item_and_the_others_follow(query: Query) -> None:
    found = placed(query, drawing([8, 7, 9], at=[1, 3]), [0, 1, 2, 3, 7, 8, 9], n_spare=3)
    assert [item for item, _, _ in found] == [0, 8, 1, 7, 2, 3]
    assert [item for item, is_explored, _ in found if is_explored] == [8, 7]
    assert [propensity for _, _, propensity in found] == [0.75, 0.25 / 3, 0.75, 0.25 / 2, 0.75, 0.75]


def test_what_would_stand_there_anyway_is_not_drawn_for_its_own_place(query: Query) -> None:
    found = placed(query, drawing([7, 8], at=[0, 1]), [7, 0, 1, 8], n_spare=1)
    # At the second place 7 is the only new item left, and would stand there: chance has no say.
    assert found == [(8, True, 0.25), (7, False, 1.0), (0, False, 1.0), (1, False, 1.0)]


def test_what_is_drawn_from_further_down_comes_once(query: Query) -> None:
    found = placed(query, drawing([3], at=[1]), [0, 1, 2, 3, 4])
    assert found == [(0, False, 0.75), (3, True, 0.25), (1, False, 1.0), (2, False, 1.0), (4, False, 1.0)]


def test_what_is_listed_before_its_turn_is_passed_over(query: Query) -> None:
    found = placed(query, drawing([0, 8, 9], at=[1]), [0, 1, 8, 9], n_spare=2)
    assert found[:2] == [(0, False, 0.75), (8, True, 0.125)]


def test_behind_the_places_of_chance_everything_is_certain(query: Query) -> None:
    found = placed(query, drawing([7, 8], at=[], n_places=2), [0, 1, 2, 3, 7, 8], n_spare=2)
    assert found == [(0, False, 0.75), (1, False, 0.75), (2, False, 1.0), (3, False, 1.0)]


def test_what_passes_a_promotion_keeps_its_place(query: Query) -> None:
    asked = replace(query, promoted=(bits_of([2, 5]),))
    found = placed(asked, drawing([8, 9], at=[0, 1, 2, 3, 4, 5]), [0, 1, 2, 3, 4, 5, 8, 9], n_spare=2)
    assert [item for item, _, _ in found] == [8, 9, 2, 0, 1, 5, 3, 4]
    assert [propensity for _, _, propensity in found] == [0.125, 0.25, *[1.0] * 6]


def test_exploration_is_the_last_policy_and_is_accounted_for(plain: Snapshot, query: Query) -> None:
    promotion = Promotion("own", "x", slots=(2,))
    config = ServingConfig("odd", (), promotions=(promotion,), exploration=ExplorationSettings(SHARE))
    asked = replace(query, promoted=(bits_of([5]),), draws=drawing([9, 8], at=[0]), account=20)
    found = applied(steps_of(config, trained=True), asked, slate_of([0, 1, 2, 8, 5, 9]), plain.model.context, n_spare=2)
    assert found.positions.tolist() == [5, 4, 0, 1, 2, 3]
    assert dict(found.promoted) == {4: "own"}
    assert [(step.name, step.n_moved) for step in found.steps] == [("promotions", 4), ("exploration", 5)]
    assert found.explored is not None
    assert found.explored.tolist() == [True, *[False] * 5]
    assert found.propensities is not None
    assert found.propensities.tolist() == [0.125, 1.0, 0.75, 0.75, 0.75, 1.0]


@pytest.mark.parametrize(("max_age_days", "expected"), [(0.5, [4]), (3, [1, 4]), (10, [0, 1, 4]), (400, [0, 1, 2, 4])])
def test_new_is_what_was_created_lately_or_first_taken_lately(
    world: World, now: int, max_age_days: float, expected: list[int]
) -> None:
    # Taken for the first time: item 0 nine days ago, 1 twenty (but created three ago), 2 a year ago, 3 never.
    events = [(0, 0, 9), (0, 0, 1), (0, 1, 20), (0, 2, 365)]
    created_at = [0, now - 3 * DAY, 0, 0, now]
    context = world(events, n_users=1, n_items=5, created_at=created_at).model.context
    assert new_items(np.ones(5, bool), context, now, max_age_days).tolist() == expected
    assert new_items(np.arange(5) != 4, context, now, max_age_days).tolist() == [i for i in expected if i != 4]


def test_what_is_new_is_what_every_age_would_say(world: World, now: int) -> None:
    rng = np.random.default_rng(3)
    ages = rng.integers(0, 60, 300)
    events = [(0, item, int(age)) for item, age in enumerate(ages.tolist()) if item % 5]
    created_at = [
        now - int(age) * DAY if known else 0 for age, known in zip(rng.integers(0, 60, 300), ages % 3, strict=True)
    ]
    context = world(events, n_users=1, n_items=300, created_at=created_at).model.context
    allowed = rng.random(300) < 0.8
    for at, days in ((now, 14.0), (now, 0.3), (now - 20 * DAY, 7.0), (now + 9 * DAY + 1, 28.0), (now, 1e6)):
        expected = np.flatnonzero(allowed & (age_days(np.arange(300), context, at) <= days))
        assert new_items(allowed, context, at, days).tolist() == expected.tolist()


# What may be drawn, and lists of four of which one is new too; the last two are in no list by themselves.
NEW, LIST, SPARE = [2, 7, 8], [0, 1, 2, 3], [7, 8]
N_QUESTIONS = 8000


@pytest.fixture(scope="module")
def answers(plain: Snapshot, query_of: Callable[..., Query]) -> list[list[tuple[int, float]]]:
    """Item and propensity of each place, for many questions, three places of chance."""
    query, policy, slate = query_of(plain, "u00"), Exploration(len(SPARE)), slate_of([*LIST, *SPARE])
    items = frozen(NEW, np.int32)

    def answer(n: int) -> list[Placed]:
        draws = Draws.of((f"u{n % 100}", n // 100), items, share=0.3, n_places=3)
        return policy.placed(replace(query, draws=draws), slate)

    shown = [*LIST, *SPARE]
    return [[(shown[one.position], one.propensity) for one in answer(n)] for n in range(N_QUESTIONS)]


def test_whole_lists_come_as_often_as_their_propensities_say(answers: list[list[tuple[int, float]]]) -> None:
    likely = {tuple(item for item, _ in answer): prod(p for _, p in answer) for answer in answers}
    found = Counter(tuple(item for item, _ in answer) for answer in answers)
    # 1 - 0.3 each place or a draw: 7 or 8 or 2 first, …: all that can be has been seen, and nothing else can be.
    assert sum(likely.values()) == pytest.approx(1.0)
    expected = {items: N_QUESTIONS * p for items, p in likely.items()}
    chi_square = sum((found[items] - n) ** 2 / n for items, n in expected.items())
    degrees = len(expected) - 1
    # Wilson and Hilferty: the 99.9 % point.
    bound = degrees * (1 - 2 / (9 * degrees) + 3.09 * np.sqrt(2 / (9 * degrees))) ** 3
    assert chi_square < bound


def test_an_item_is_as_often_at_a_place_as_those_before_it_make_likely(answers: list[list[tuple[int, float]]]) -> None:
    for place in range(3):
        before: Counter[tuple[int, ...]] = Counter()
        there: Counter[tuple[tuple[int, ...], int]] = Counter()
        likely: dict[tuple[tuple[int, ...], int], float] = {}
        for answer in answers:
            items = tuple(item for item, _ in answer)
            before[items[:place]] += 1
            there[items[:place], items[place]] += 1
            likely[items[:place], items[place]] = answer[place][1]
        for (first, item), p in likely.items():
            n = before[first]
            assert abs(there[first, item] - n * p) < 4 * np.sqrt(n * p * (1 - p)) + 1e-9


def test_inverse_propensities_recover_what_nobody_was_shown_on_purpose(answers: list[list[tuple[int, float]]]) -> None:
    # What each item is worth, whoever sees it, but for luck.
    worth = {0: 0.8, 1: 0.7, 2: 0.3, 3: 0.2, 7: 0.15, 8: 0.45}
    rng = np.random.default_rng(5)
    taken = np.array([[rng.random() < worth[item] for item, _ in answer[:2]] for answer in answers], float)
    first = np.array([answer[0][0] for answer in answers])
    propensity = np.array([answer[0][1] for answer in answers])
    # Had the first place always had one of the new items, each as often: (0.3 + 0.15 + 0.45) / 3.
    weighed = np.isin(first, NEW) / 3 / propensity * taken[:, 0]
    assert abs(weighed.mean() - 0.3) < 3.5 * weighed.std() / np.sqrt(N_QUESTIONS)
    assert weighed.std() / np.sqrt(N_QUESTIONS) < 0.02
    # Without weights what the list shows anyway is counted, which is worth far more.
    assert taken[:, 0].mean() > 0.6
    # Had everybody been shown 8 and then 0, of the two together.
    both = np.array([[item for item, _ in answer[:2]] == [8, 0] for answer in answers])
    weights = both / np.array([prod(p for _, p in answer[:2]) for answer in answers])
    weighed = weights * taken.sum(axis=1)
    assert abs(weighed.mean() - 1.25) < 3.5 * weighed.std() / np.sqrt(N_QUESTIONS)
