"""Which users and items are in which slice, in a shop written for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from index.builder import profiles_of
from index.dataset import Dataset, load
from index.slices import slices_of
from recsys.arrays import frozen
from recsys.evaluation.slices import Slice
from recsys.evaluation.truth import Truth

SPLIT, DAY = 1_600_000_000, 86_400
USERS = ["a", "b", "c", "d", "e", "f"]


def dataset_of(folder: Path, events: list[tuple[str, str, str, float]]) -> Dataset:
    users, items, kinds, days = zip(*events, strict=True)
    times = [SPLIT + round(day * DAY) for day in days]
    pl.DataFrame({"user_id": users, "item_id": items, "event_type": kinds, "timestamp": times}).write_parquet(
        folder / "events.parquet"
    )
    titles = {"mute": None, "unsold": "A cup of tea", "old": "A pot of tea", "only seen": "A tin of tea"}
    pl.DataFrame({"item_id": list(titles), "title": list(titles.values())}).write_parquet(folder / "items.parquet")
    pl.DataFrame({"user_id": ["a", "b", "g"], "age": [40, None, 30], "city": [None, None, "Ulm"]}).write_parquet(
        folder / "users.parquet"
    )
    return load(folder, None, now=SPLIT + 90 * DAY, until=SPLIT)


def slices(dataset: Dataset, *, n_items: int = 0) -> dict[str, Slice]:
    n_users = len(dataset.user_ids)
    truth = Truth.of(frozen(range(6), np.int32), frozen([0] * 6, np.int32), 99)
    n_items = n_items or len(dataset.item_ids)
    found = slices_of(dataset, profiles_of(dataset.users, n_users), truth, at=SPLIT, n_items=n_items)
    return {part.name: part for part in found}


def chosen(mask: np.ndarray | None, ids: list[str]) -> list[str]:
    assert mask is not None
    return [ids[position] for position in np.flatnonzero(mask)]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """User a has 1 event, b 2, … f 6, all of one old item; and three items that begin their lives around four weeks."""
    events = [(user, "old", "purchase", -100 - n) for k, user in enumerate(USERS, 1) for n in range(k)]
    events += [
        ("f", "just in", "purchase", -28.0),
        ("f", "just out", "purchase", -28.001),
        ("f", "seen before", "view", -50.0),
        ("f", "seen before", "purchase", -3.0),
        ("f", "only seen", "view", -3.0),
    ]
    return dataset_of(tmp_path, events)


def test_thirds_by_activity_say_their_bounds(dataset: Dataset) -> None:
    found = slices(dataset)
    assert chosen(found["few_events"].users, dataset.user_ids)[:2] == ["a", "b"]
    assert chosen(found["some_events"].users, dataset.user_ids) == ["c", "d"]
    assert chosen(found["many_events"].users, dataset.user_ids) == ["e", "f"]
    assert [found[f"{third}_events"].about for third in ("few", "some", "many")] == [
        "users with at most 2 events before the split",
        "users with 3 to 4 events before the split",
        "users with more than 4 events before the split",
    ]


def test_users_with_equally_many_events_are_not_torn_apart(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, [(user, "old", "purchase", -9.0) for user in USERS])
    found = slices(dataset)
    assert chosen(found["few_events"].users, dataset.user_ids)[:6] == USERS
    assert chosen(found["some_events"].users, dataset.user_ids) == []
    assert chosen(found["many_events"].users, dataset.user_ids) == []


def test_a_profile_is_a_known_column_and_not_a_row_in_a_table(dataset: Dataset) -> None:
    found = slices(dataset)
    assert chosen(found["with_profile"].users, dataset.user_ids) == ["a", "g"]
    assert chosen(found["without_profile"].users, dataset.user_ids) == ["b", "c", "d", "e", "f"]


def test_an_item_is_new_for_four_weeks_from_its_first_sale(dataset: Dataset) -> None:
    assert chosen(slices(dataset)["new_items"].items, dataset.item_ids) == ["just in", "seen before"]


def test_an_item_of_text_alone_has_text_and_not_even_a_view(dataset: Dataset) -> None:
    # Items after the last known number came after the split: they were in no catalogue.
    found = slices(dataset, n_items=len(dataset.item_ids) + 2)["text_only_items"]
    assert chosen(found.items, [*dataset.item_ids, "later", "latest"]) == ["unsold"]


def test_users_are_divided_by_the_platform_they_were_on_last(tmp_path: Path) -> None:
    rows = [("a", -5, "app"), ("a", -3, "web"), ("a", -1, None), ("b", -2, "app"), ("c", -2, None), ("d", 1, "web")]
    users, days, names = zip(*rows, strict=True)
    times = [SPLIT + day * DAY for day in days]
    columns = {"user_id": users, "item_id": ["old"] * 6, "event_type": ["purchase"] * 6, "timestamp": times}
    pl.DataFrame({**columns, "platform": names}).write_parquet(tmp_path / "events.parquet")
    dataset = load(tmp_path, None, now=SPLIT + 90 * DAY, until=SPLIT)
    nobody = profiles_of(dataset.users, len(dataset.user_ids))
    truth = Truth.of(frozen([0, 1, 2], np.int32), frozen([0] * 3, np.int32), 9)
    found = {part.name: part for part in slices_of(dataset, nobody, truth, at=SPLIT, n_items=1)}
    assert chosen(found["on_web"].users, dataset.user_ids) == ["a"]
    assert chosen(found["on_app"].users, dataset.user_ids) == ["b"]
    assert found["on_app"].about == "users who were on app last before the split"


def test_without_platforms_there_are_no_slices_of_them(dataset: Dataset) -> None:
    assert not any(name.startswith("on_") for name in slices(dataset))
