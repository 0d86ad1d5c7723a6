"""The truths of a shop small enough to be read off."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from index.cut import Cut
from index.dataset import Dataset, load
from recsys.errors import InputError

SPLIT, DAY = 1_600_000_000, 86_400
EVENTS = [
    ("ann", "tea", "purchase", -9),
    ("ann", "cup", "view", -8),
    ("bob", "cup", "view", -7),
    ("ann", "tea", "purchase", 1),
    ("ann", "cup", "purchase", 2),
    ("ann", "new", "purchase", 2),
    ("ann", "pan", "view", 3),
    ("bob", "cup", "purchase", 4),
    ("bob", "cup", "purchase", 5),
    ("cy", "tea", "purchase", 6),  # has a profile and no past
    ("dee", "tea", "purchase", 7),  # has neither
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    users, items, kinds, days = zip(*EVENTS, strict=True)
    times = [SPLIT + day * DAY for day in days]
    pl.DataFrame({"user_id": users, "item_id": items, "event_type": kinds, "timestamp": times}).write_parquet(
        tmp_path / "events.parquet"
    )
    pl.DataFrame({"user_id": ["ann", "cy"], "age": [40, 30]}).write_parquet(tmp_path / "users.parquet")
    return tmp_path


def before(folder: Path) -> Dataset:
    return load(folder, None, now=SPLIT + 90 * DAY, until=SPLIT)


def pairs(cut: Cut, dataset: Dataset, task: str | None = None) -> dict[str, list[str]]:
    truth = cut.newcomers if task is None else cut.truths[task]
    names = [*dataset.item_ids, "new"]
    return {
        dataset.user_ids[user]: [names[item] for item in truth.items[truth.starts[row] : truth.starts[row + 1]]]
        for row, user in enumerate(truth.users)
    }


def test_each_user_has_the_truth_that_what_was_known_of_them_allows(folder: Path) -> None:
    dataset = before(folder)
    cut = Cut.read(folder, dataset, start=SPLIT, end=None)
    assert dataset.item_ids == ["cup", "tea"]
    # A view is not having: the cup is new to both. What nobody could know of counts as missed.
    assert pairs(cut, dataset, "all") == {"ann": ["cup", "tea", "new"], "bob": ["cup"]}
    assert pairs(cut, dataset, "novel") == {"ann": ["cup", "new"], "bob": ["cup"]}
    assert pairs(cut, dataset) == {"cy": ["tea"]}
    assert cut.n_strangers == 1
    assert cut.n_items == 3


def test_without_an_end_the_truth_goes_on_to_the_last_target_event(folder: Path) -> None:
    dataset = before(folder)
    assert Cut.read(folder, dataset, start=SPLIT, end=None).end == SPLIT + 7 * DAY + 1
    early = Cut.read(folder, dataset, start=SPLIT, end=SPLIT + 2 * DAY)
    assert early.end == SPLIT + 2 * DAY
    assert pairs(early, dataset, "all") == {"ann": ["tea"]}
    assert (len(early.newcomers), early.n_strangers) == (0, 0)


def test_newcomers_alone_are_not_enough_to_evaluate(folder: Path) -> None:
    dataset = before(folder)
    with pytest.raises(InputError, match="nothing to score"):
        Cut.read(folder, dataset, start=SPLIT + 6 * DAY, end=None)
