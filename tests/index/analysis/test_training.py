from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from index.analysis.pairs import Pairs
from index.analysis.training import Training
from index.dataset import load
from index.windows import planned, truth_in

Make = Callable[..., Any]


def test_disliked_events_are_targets_and_no_positives(dataset_of: Make, day: Make) -> None:
    rated = [
        day("u", "a", 0, "rating", value=5),
        day("u", "b", 50, "rating", value=1),
        day("u", "c", 60, "rating", value=5),
    ]
    data = dataset_of(rated, toml="[events]\nmin_value = 3\n[training]\nhorizon_days = 14\nwindows = 1\n")
    training = Training.of(
        data, Pairs.of(data.interactions, len(data.item_ids)), end=int(data.interactions.times.max()) + 1
    )
    (window,) = training.windows
    assert (training.asked, training.asked_days, training.days) == (1, 14, 14.0)
    assert (window.n_users, window.n_positives) == (1, 1)


def test_training_windows_are_those_a_rebuild_learns_from(corner_shop: Any, tmp_path: Any) -> None:
    data = load(corner_shop.write(tmp_path / "data"), now=2_000_000_000)
    table, n_items = data.interactions, len(data.item_ids)
    end = int(table.times.max()) + 1
    windows = planned(table, end, n_items, horizon_days=28, count=None)
    found = Training.of(data, Pairs.of(data.interactions, len(data.item_ids)), end=end).windows
    assert len(found) == len(windows) == 12
    for counted, window in zip(found, windows, strict=True):
        truth = truth_in(table, window, n_items)
        past = table.before(window.start)
        taken = set(zip(np.repeat(truth.users, truth.sizes).tolist(), truth.items.tolist(), strict=True))
        seen = set(zip(past.users.tolist(), past.items.tolist(), strict=True))
        owned = set(zip(past.users[past.targets].tolist(), past.items[past.targets].tolist(), strict=True))
        assert (counted.start, counted.end) == (window.start, window.end)
        assert (counted.n_users, counted.n_positives) == (len(truth), len(truth.items))
        assert counted.share_owned == pytest.approx(len(taken & owned) / len(taken))
        assert counted.share_seen == pytest.approx(len(taken & seen) / len(taken))
        assert counted.share_owned < counted.share_seen
