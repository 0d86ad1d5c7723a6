"""Which settings of sources win, in a shop written for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from index.builder import Builder
from index.dataset import load
from index.ease import EaseSettings
from index.fit_settings import USUAL
from index.progress import Stages
from index.source_search import EASE, _best, n_fits, search
from index.windows import Window
from recsys.arrays import Float64

SPLIT, DAY = 1_600_000_000, 86_400
WINDOW = Window(SPLIT, SPLIT + 28 * DAY)
WORLDS, PER_WORLD = 8, 12


def shop(folder: Path, n_users: int, *, views: str, toml: str = "") -> Builder:
    """Users who come to buy within one of eight worlds of items.

    views: "noise" = they bought there before and look at anything · "true" = they looked there and bought anything ·
    "" = they bought there and looked at nothing.
    """
    rng = np.random.default_rng(3)
    world = np.arange(n_users) % WORLDS
    rows: list[tuple[str, str, str, float]] = []
    for user in range(n_users):
        mine = world[user] * PER_WORLD + rng.permutation(PER_WORLD)
        for item in rng.integers(WORLDS * PER_WORLD, size=2) if views == "true" else mine[:2]:
            rows.append((f"u{user}", f"i{item}", "purchase", rng.uniform(-80, -1)))
        for item in mine[2:5]:
            rows.append((f"u{user}", f"i{item}", "purchase", rng.uniform(1, 27)))
        looked = mine[5:] if views == "true" else rng.integers(WORLDS * PER_WORLD, size=12)
        for item in looked if views else ():
            rows.append((f"u{user}", f"i{item}", "view", rng.uniform(-80, -1)))
    users, items, kinds, days = zip(*rows, strict=True)
    times = [SPLIT + round(day * DAY) for day in days]
    folder.mkdir(exist_ok=True)
    pl.DataFrame({"user_id": users, "item_id": items, "event_type": kinds, "timestamp": times}).write_parquet(
        folder / "events.parquet"
    )
    (folder / "recsys.toml").write_text(toml)
    dataset = load(folder, now=WINDOW.end + DAY)
    return Builder.of(dataset, cache=folder / "cache", stages=Stages())


def test_views_that_mislead_come_to_weigh_less_and_views_that_tell_do_not(tmp_path: Path) -> None:
    noisy, said = search(shop(tmp_path / "noise", 400, views="noise"), WINDOW)
    assert noisy.others_weigh == 0.3
    assert any("not predicted weigh 0.3 times" in line for line in said)
    assert not noisy.neighbours.everything
    telling, said = search(shop(tmp_path / "true", 400, views="true"), WINDOW)
    assert telling.others_weigh == 3.0
    assert telling.neighbours.everything
    assert any("user neighbours by all they did" in line for line in said)


def test_what_is_decided_reaches_the_data_and_its_settings(tmp_path: Path) -> None:
    builder = shop(tmp_path / "shop", 40, views="noise")
    before = builder.dataset
    after = builder.fitting_by(type(USUAL)(others_weigh=0.3)).dataset
    assert after.settings.events.weights["view"] == pytest.approx(0.3 * before.settings.events.weights["view"])
    assert after.settings.events.weights["purchase"] == before.settings.events.weights["purchase"]
    views = ~after.interactions.targets
    np.testing.assert_allclose(after.interactions.weights[views], 0.3 * before.interactions.weights[views], rtol=1e-6)
    np.testing.assert_array_equal(after.interactions.weights[~views], before.interactions.weights[~views])


def test_weights_that_somebody_gave_are_left_alone(tmp_path: Path) -> None:
    builder = shop(tmp_path / "shop", 400, views="noise", toml="[events]\nweights = { view = 0.5 }\n")
    found, _ = search(builder, WINDOW)
    assert found.others_weigh == 1.0


def test_too_few_users_choose_nothing(tmp_path: Path) -> None:
    assert search(shop(tmp_path / "shop", 40, views="true"), WINDOW) == (USUAL, [])


def test_every_fit_is_heard_of_and_a_source_that_is_off_is_not_tried(tmp_path: Path) -> None:
    builder = shop(tmp_path / "shop", 200, views="")
    heard: list[int] = []
    search(builder, WINDOW, heard.append)
    assert sum(heard) == n_fits(builder)
    heard.clear()
    search(shop(tmp_path / "off", 200, views="", toml="[sources]\noff = ['ease']\n"), WINDOW, heard.append)
    assert sum(heard) == n_fits(builder) - len(EASE)


def chosen(values: dict[float, Float64 | None]) -> tuple[float, list[str]]:
    said: list[str] = []
    settings = [EaseSettings(regularisation=strength) for strength in values]
    best = _best(settings, lambda s: values[s.regularisation], said, lambda s: f"{s.regularisation:g}", lambda n: None)
    return best.regularisation, said


def test_the_usual_setting_stands_unless_another_is_convincingly_better() -> None:
    rng = np.random.default_rng(0)
    usual = rng.uniform(size=500)
    assert chosen({3.0: usual, 10.0: usual + 0.1})[0] == 10.0
    assert chosen({3.0: usual, 10.0: usual + rng.normal(0.001, 0.5, 500)})[0] == 3.0
    assert chosen({3.0: usual, 10.0: usual}) == (3.0, [])


def test_settings_that_cannot_be_fitted_are_passed_over() -> None:
    usual = np.full(100, 0.1)
    assert chosen({3.0: usual, 10.0: None, 30.0: usual + 0.1})[0] == 30.0
    assert chosen({3.0: None, 10.0: usual}) == (3.0, [])
    assert chosen({3.0: None, 10.0: None}) == (3.0, [])
