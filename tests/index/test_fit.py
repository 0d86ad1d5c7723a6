from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from index.factorise import AlsSettings, factorise
from index.fit import Timeless, fit
from index.settings import OPTIONAL_SOURCES
from recsys.arrays import Float32, Int32, frozen
from recsys.interactions import Interactions
from recsys.model import Model
from recsys.profiles import Profiles
from recsys.sources.item2vec import Item2Vec
from recsys.sources.popular import Popular

from .bare import bare_catalogue, taken

NOW, DAY = 1_500_000_000, 86_400
N_USERS, N_ITEMS = 8, 6


def timeless_of(vectors: Float32 | None, text_of: Int32 | None) -> Timeless:
    return Timeless.of(
        bare_catalogue(N_ITEMS), Profiles((), np.empty((N_USERS, 0), np.float32)), vectors, text_of, seed=0
    )


def table_of(rows: list[tuple[int, int, float]]) -> Interactions:
    return taken(rows, NOW)


ROWS = [(user, item, 1 + user + item) for user in range(N_USERS) for item in range(N_ITEMS - 1) if (user + item) % 3]


def test_everything_is_fitted_as_of_the_time_given() -> None:
    vectors = np.eye(3, dtype=np.float32)
    model = fit(timeless_of(vectors, frozen([0, 1, 2, 0, -1, 1], np.int32)), table_of(ROWS), N_USERS, at=NOW, seed=0)
    assert model.context.statistics.at == NOW
    collaborative = ["ease", "item-knn", "user-knn", "next"]
    named = ["history", "popular", "als", "similar-als", "content", "similar-content", *collaborative]
    assert list(model.sources) == [*named, "first", "trending"]
    assert model.factors is not None
    # Nobody took the last item, so it has no factors; its text is known all the same.
    assert model.factors.items.tolist() == list(range(N_ITEMS - 1))
    assert model.content is not None
    assert model.content.texts.text_of.tolist() == [0, 1, 2, 0, -1, 1]


@pytest.mark.parametrize("vectors", [None, np.empty((0, 3), np.float32)])
def test_without_text_there_is_no_content_source(vectors: Float32 | None) -> None:
    model = fit(timeless_of(vectors, frozen([-1] * N_ITEMS, np.int32)), table_of(ROWS), N_USERS, at=NOW, seed=0)
    assert model.content is None
    assert model.context.texts is None
    assert "content_closeness" not in {name for family in model.pipeline({}).families for name in family.names}


def test_one_user_is_too_few_for_a_factorisation_but_not_for_an_answer() -> None:
    model = fit(timeless_of(None, None), table_of([(0, 2, 1), (0, 4, 2)]), N_USERS, at=NOW, seed=0)
    assert list(model.sources) == ["history", "popular", "user-knn", "next", "first", "trending"]


def test_popular_is_of_the_last_four_weeks_and_then_of_all_time() -> None:
    rows = [(0, 3, 1), (1, 3, 1), (0, 1, 2), *((user, 5, 60) for user in range(8)), (0, 0, 60)]
    model = fit(timeless_of(None, None), table_of(rows), N_USERS, at=NOW, seed=0)
    assert model.popular.ranking.tolist() == [3, 1, 5, 0, 2, 4]


def test_the_factors_are_those_of_the_same_time() -> None:
    table = table_of(ROWS)
    model = fit(timeless_of(None, None), table, N_USERS, at=NOW, seed=0)
    expected = factorise(table, N_USERS, N_ITEMS, at=NOW, settings=AlsSettings(), seed=0)
    assert model.factors is not None
    assert expected is not None
    assert model.factors.model.factors.tobytes() == expected.model.factors.tobytes()


def test_fitting_again_gives_the_same_model() -> None:
    timeless = timeless_of(None, None)
    first, again = (fit(timeless, table_of(ROWS), N_USERS, at=NOW, seed=0).factors for _ in range(2))
    assert first is not None
    assert again is not None
    assert first.model.factors.tobytes() == again.model.factors.tobytes()


# The first two items always lie in one basket, so do the next two.
BASKETS = [(user, item, 1.0 + user + (item >= 2)) for user in range(N_USERS) for item in range(4)]


def nearest(model: Model, item: int) -> int:
    """The item found most beside ``item``, itself left out."""
    source = model.sources["item2vec"]
    assert isinstance(source, Item2Vec)
    scores = source.beside @ source.taken[source.items.tolist().index(item)]
    return int(source.items[np.argmax(np.where(source.items == item, -np.inf, scores))])


def test_what_lies_in_one_basket_has_vectors_next_to_the_other_sources() -> None:
    model = fit(timeless_of(None, None), table_of(BASKETS), N_USERS, at=NOW, seed=0)
    assert list(model.sources)[-4:] == ["next", "item2vec", "first", "trending"]
    assert [nearest(model, item) for item in range(4)] == [1, 0, 3, 2]


def test_later_baskets_have_no_part_in_the_vectors_before_them() -> None:
    # Later on it is items 0 and 2 and items 1 and 3 that go together, and much more often.
    later = [(user, item, -1.0 - 4 * n - 2 * (item % 2)) for n in range(9) for user in range(8) for item in range(4)]
    everything, timeless = table_of([*BASKETS, *later]), timeless_of(None, None)
    before = fit(timeless, everything.before(NOW), N_USERS, at=NOW, seed=0)
    after = fit(timeless, everything, N_USERS, at=NOW + 100 * DAY, seed=0)
    assert [nearest(before, item) for item in range(4)] == [1, 0, 3, 2]
    assert [nearest(after, item) for item in range(4)] == [2, 3, 0, 1]


@pytest.mark.parametrize("name", ["ease", "item-knn", "user-knn", "next", "item2vec", "first", "trending"])
def test_a_source_that_is_off_is_not_fitted(name: str) -> None:
    whole = fit(timeless_of(None, None), table_of(BASKETS), N_USERS, at=NOW, seed=0)
    model = fit(timeless_of(None, None), table_of(BASKETS), N_USERS, at=NOW, seed=0, off={name})
    assert name in whole.sources
    assert list(model.sources) == [one for one in whole.sources if one != name]


def test_two_towers_come_last_and_are_not_trained_when_off() -> None:
    """240 users take 5 of 6 items each: enough to train on."""
    n_users = 240
    rows = [(user, (user + step) % N_ITEMS, 1 + user % 50 + step) for user in range(n_users) for step in range(5)]
    timeless = replace(timeless_of(None, None), profiles=Profiles((), np.empty((n_users, 0), np.float32)))
    on, off = (fit(timeless, table_of(rows), n_users, at=NOW, seed=0, off=off) for off in (set(), {"two-tower"}))
    assert OPTIONAL_SOURCES[-1] == "two-tower"
    assert list(on.sources) == [*off.sources, "two-tower"]
    # A few users less are too few.
    less = [row for row in rows if row[0] < 199]
    assert list(fit(timeless, table_of(less), n_users, at=NOW, seed=0).sources) == list(off.sources)


def test_what_is_new_is_a_source_of_its_own_as_long_as_not_everything_is() -> None:
    old = [(user, item, 100.0) for user in range(3) for item in (0, 1)]
    new = [(0, 2, 20.0), (1, 3, 10.0), (2, 3, 5.0), (3, 0, 1.0)]
    found = fit(timeless_of(None, None), table_of([*old, *new]), N_USERS, at=NOW, seed=0).sources["fresh"]
    assert isinstance(found, Popular)
    assert found.ranking.tolist() == [3, 2]  # by how many lately; the old and the unknown are no part of it
    assert "fresh" not in fit(timeless_of(None, None), table_of(new), N_USERS, at=NOW, seed=0).sources
    assert "fresh" not in fit(timeless_of(None, None), table_of(old), N_USERS, at=NOW, seed=0).sources
