from __future__ import annotations

import numpy as np
import pytest

from index.adoption import MOST_ITEMS, first_times, fit_adoption
from recsys.arrays import frozen
from recsys.interactions import Interactions
from recsys.profiles import Profiles
from recsys.sources.adoption import Adoption

DAY, N_USERS, N_DAYS = 86_400, 600, 200
NOW = N_DAYS * DAY
ACCOUNT, CARD, LOAN, PENSION, NOBODYS = range(5)


def bank(seed: int = 0) -> tuple[Interactions, Profiles]:
    """All begin with an account; cards follow for half of them, and then loans; the old take pensions."""
    rng = np.random.default_rng(seed)
    old = np.arange(N_USERS) % 2 == 0
    taken = [(user, ACCOUNT, 0) for user in range(N_USERS)]
    for user in range(N_USERS):
        if user % 4 < 2:
            card = rng.integers(1, N_DAYS - 40)
            taken += [(user, CARD, card), (user, LOAN, card + rng.integers(1, 40))]
        if old[user]:
            taken.append((user, PENSION, rng.integers(1, N_DAYS)))
    users, items, days = np.array(taken).T
    ones = np.ones(len(users))
    table = Interactions.ordered(users=users, items=items, times=days * DAY, weights=ones, targets=ones)
    return table, Profiles(("old",), frozen(old[:, None], np.float32))


@pytest.fixture(scope="module")
def fitted() -> Adoption:
    table, profiles = bank()
    found = fit_adoption(profiles, table, 5, NOW, seed=7)
    assert found is not None
    return found


def test_what_is_had_leads_to_what_follows_and_a_profile_to_what_its_people_take(fitted: Adoption) -> None:
    assert fitted.items.tolist() == [CARD, LOAN, PENSION]
    loan, pension = 1, 2
    assert fitted.of_items[CARD, loan] > 2
    assert abs(fitted.of_items[CARD, pension]) < 0.5
    young, old = fitted.bins[1, 0], fitted.bins[0, 0]
    assert fitted.of_bins[old, pension] - fitted.of_bins[young, pension] > 2
    assert abs(fitted.of_bins[old, loan] - fitted.of_bins[young, loan]) < 0.7


def test_nothing_from_the_moment_on_is_looked_at(fitted: Adoption) -> None:
    table, profiles = bank()
    later = Interactions.ordered(
        users=np.arange(N_USERS),
        items=np.full(N_USERS, NOBODYS),
        times=np.full(N_USERS, NOW),
        weights=np.ones(N_USERS),
        targets=np.ones(N_USERS),
    )
    both = {
        name: np.concatenate([getattr(table, name), getattr(later, name)])
        for name in ("users", "items", "times", "weights", "targets")
    }
    again = fit_adoption(profiles, Interactions.ordered(**both).before(NOW), 5, NOW, seed=7)
    assert again is not None
    assert again.of_items.tobytes() == fitted.of_items.tobytes()


def test_a_large_catalogue_and_a_sleepy_shop_have_no_such_models() -> None:
    table, profiles = bank()
    assert fit_adoption(profiles, table, MOST_ITEMS + 1, NOW, seed=7) is None
    few = Interactions.ordered(users=[0, 1], items=[0, 1], times=[0, 50 * DAY], weights=[1, 1], targets=[1, 1])
    assert fit_adoption(profiles, few, 5, NOW, seed=7) is None
    none = Interactions.ordered(users=[], items=[], times=[], weights=[], targets=[])
    assert fit_adoption(profiles, none, 5, NOW, seed=7) is None


def test_without_profiles_what_is_had_still_tells() -> None:
    table, _ = bank()
    found = fit_adoption(Profiles((), frozen(np.empty((N_USERS, 0)), np.float32)), table, 5, NOW, seed=7)
    assert found is not None
    assert found.of_items[CARD, 1] > 2
    assert found.of_bins.shape == (0, 3)


def test_the_first_time_of_a_pair_counts_and_a_view_does_not() -> None:
    table = Interactions.ordered(
        users=[0, 0, 0, 1], items=[1, 1, 0, 1], times=[50, 20, 10, 5], weights=[1, 1, 1, 1], targets=[1, 1, 0, 1]
    )
    times, begun = first_times(table, np.array([0, 1]), 2)
    assert times.tolist() == [[np.inf, 20], [np.inf, 5]]
    assert begun.tolist() == [10, 5]
    assert first_times(table, np.array([1]), 2)[0].tolist() == [[np.inf, 5]]
