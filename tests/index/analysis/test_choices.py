from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from index.analysis.analysis import Analysis, analyse
from index.analysis.choices import choices
from index.dataset import Dataset, load
from index.defaults import Choice
from index.settings import Settings

Make = Callable[..., Any]


@pytest.fixture
def shop(corner_shop: Any, tmp_path: Any) -> Dataset:
    """Half a year of 60 users and 30 items without a text; ages and cities are known."""
    return load(corner_shop.write(tmp_path / "data"), now=2_000_000_000)


def of(data: Dataset) -> Analysis:
    return analyse(data, end=int(data.interactions.times.max()) + 1)


def by_setting(data: Dataset) -> dict[str, Choice]:
    return {choice.setting: choice for choice in choices(of(data))}


def test_what_reading_the_tables_chose_comes_first_and_unchanged(shop: Dataset) -> None:
    made = choices(of(shop))
    assert made[: len(shop.choices)] == shop.choices
    assert shop.choices[0] == Choice("events.target_types", "purchase", "since there are purchases")
    assert str(shop.choices[0]) == "events.target_types: purchase (since there are purchases)"


def test_a_choice_of_a_setting_is_spelled_as_in_the_settings_file(shop: Dataset) -> None:
    known = {f"{section}.{key}" for section, keys in Settings().to_json().items() for key in keys}
    named = {choice.setting for choice in choices(of(shop))}
    assert {name for name in named if not name.startswith("sources.")} <= known


def test_choices_of_a_shop_with_habits_and_profiles_but_no_text(shop: Dataset) -> None:
    made = by_setting(shop)
    values = {name: choice.value for name, choice in made.items() if name.startswith(("training.", "sources."))}
    assert values == {
        "training.horizon_days": "28",
        "training.windows": "12",
        "sources.history": "yes",
        "sources.popular": "yes",
        "sources.als": "yes",
        # 60 users, and all 30 items have three of them.
        "sources.ease": "primal",
        "sources.item-knn": "yes",
        "sources.user-knn": "up to 60 users",
        "sources.next": "yes",
        "sources.item2vec": "yes",
        "sources.content": "no",
        "sources.affinity": "none",
        "sources.segment": "age, city",
        "sources.first": "yes",
        "sources.trending": "yes",
        "sources.fresh": "yes",
        # 200 users would be enough.
        "sources.two-tower": "no",
    }
    assert "events.min_value" not in made
    assert made["sources.ease"].why.startswith("60 users and 30 items")


def test_choices_of_a_few_ratings_of_different_items(dataset_of: Make, day: Make) -> None:
    data = dataset_of(
        [day("u", f"i{n}", n, "rating", value=n % 5 + 1) for n in range(10)],
        items=[{"item_id": "i0", "title": "Film"}],
        toml="[events]\nmin_value = 3\n",
    )
    made = by_setting(data)
    assert made["events.min_value"] == Choice("events.min_value", "3", "as configured; 40.0% of ratings are below")
    # Windows of 2.25 days, and every positive in one is on an item never seen before.
    assert made["training.horizon_days"].value == "2.25"
    assert made["training.horizon_days"].why == "a quarter of the 9.0 days there are; 28 would need twice as many"
    assert made["sources.history"].value == "yes"
    assert made["sources.history"].why.startswith("which says nothing without repeats; 0.0%")
    assert [made[f"sources.{name}"].value for name in ("als", "ease", "user-knn")] == ["no", "none", "up to 1 users"]
    assert made["sources.content"].value == "yes"
    assert made["sources.content"].why == "10.0% of events are on items with a text, 1 distinct ones"
    assert made["sources.segment"] == Choice("sources.segment", "none", "0.0% of users have a profile")


def test_a_day_of_data_has_no_window_and_history_is_judged_on_everything(dataset_of: Make, day: Make) -> None:
    data = dataset_of([day("u", "a", 0), day("u", "a", 0.5), day("v", "b", 0.75)])
    made = by_setting(data)
    assert (made["training.horizon_days"].value, made["training.windows"].value) == ("none", "0")
    assert made["sources.history"].value == "yes"
    assert made["sources.history"].why.endswith("33.3% of target events are of items the user had an event of before")


def test_fewer_windows_than_asked_say_why(dataset_of: Make, day: Make) -> None:
    # 70 days: the second window begins on day 14, and has no 28 days before it.
    asked = "[training]\nwindows = 3\n"
    made = by_setting(dataset_of([day("u", "a", 0), day("u", "a", 50), day("v", "b", 70)], toml=asked))
    assert made["training.windows"].value == "1"
    assert made["training.windows"].why == (
        "with 1 users, the newest first; 3 would leave the oldest without a past as long as itself"
    )
