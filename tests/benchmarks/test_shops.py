"""The made-up shops: the same each time, what their descriptions say, and tables as an adopter would have them."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the scripts of a folder find each other there when they are run

import bench_shops  # noqa: E402
from shops.draws import best, heavy, picked  # noqa: E402
from shops.ids_only import resolved  # noqa: E402
from shops.shop import Shop, log  # noqa: E402
from shops.worlds import WORLDS  # noqa: E402

SMALL = 0.01
PAIR = ["user_id", "item_id"]
every_world = pytest.mark.parametrize("name", list(WORLDS))


@cache
def world(name: str) -> Shop:
    return WORLDS[name](seed=7, size=SMALL)


def repeat_share(events: pl.DataFrame) -> float:
    return 1 - events.select(PAIR).n_unique() / events.height


@every_world
def test_a_world_is_the_same_each_time_and_another_with_another_seed(name: str) -> None:
    again, other = WORLDS[name](seed=7, size=SMALL), WORLDS[name](seed=8, size=SMALL)
    assert again.events.equals(world(name).events)
    for table, same in ((again.items, world(name).items), (again.users, world(name).users)):
        assert (table is None) == (same is None)
        assert table is None or same is None or table.equals(same)
    assert not other.events.equals(world(name).events)


@every_world
def test_events_have_the_columns_of_a_log_and_lie_in_order(name: str) -> None:
    events = world(name).events
    assert {"user_id", "item_id", "event_type", "timestamp"} <= set(events.columns)
    assert events.schema["timestamp"] == pl.Datetime("us", "UTC")
    assert not any(events.null_count().row(0))
    assert events["timestamp"].is_sorted()
    assert events["user_id"].n_unique() > 10
    before, after = (
        events.filter(part) for part in (pl.col("timestamp") < world(name).cut, pl.col("timestamp") >= world(name).cut)
    )
    assert before.height > after.height > 0


@every_world
def test_every_id_of_the_log_is_in_the_tables_and_nothing_is_used_before_it_is_there(name: str) -> None:
    shop = world(name)
    for column, table in (("item_id", shop.items), ("user_id", shop.users)):
        if table is not None:
            assert table[column].is_unique().all()
            assert shop.events.join(table, on=column, how="anti").is_empty()
    if shop.items is not None and "created_at" in shop.items.columns:
        used = shop.events.join(shop.items.select("item_id", "created_at"), on="item_id")
        assert (used["timestamp"] >= used["created_at"]).all()


@every_world
def test_what_is_written_holds_no_item_that_came_after_the_cut(name: str, tmp_path: Path) -> None:
    shop = world(name)
    (tmp_path / "users.parquet").write_bytes(b"of another shop")
    shop.write(tmp_path)
    written = {path.stem for path in tmp_path.iterdir()}
    assert written == {"events"} | ({"items"} if shop.items is not None else set()) | (
        {"users"} if shop.users is not None else set()
    )
    assert pl.read_parquet(tmp_path / "events.parquet").equals(shop.events)
    if shop.items is not None and "created_at" in shop.items.columns:
        assert (pl.read_parquet(tmp_path / "items.parquet")["created_at"] < shop.cut).all()


def test_five_events_is_five_purchases_each() -> None:
    events = world("five-events").events
    assert set(events["event_type"]) == {"purchase"}
    assert (events["user_id"].value_counts()["count"] == 5).all()
    assert repeat_share(events) < 0.1


def test_in_sparse_views_few_views_end_in_a_purchase_and_every_purchase_was_a_view() -> None:
    counts = dict(world("sparse-views").events["event_type"].value_counts().rows())
    assert 0.01 < counts["purchase"] / counts["view"] < 0.05
    assert counts["purchase"] < counts["add_to_cart"] < counts["view"]
    kinds = world("sparse-views").events
    bought, viewed = (kinds.filter(pl.col("event_type") == kind).select(PAIR) for kind in ("purchase", "view"))
    assert bought.join(viewed, on=PAIR, how="anti").is_empty()


def test_the_bank_has_21_products_and_a_profile_says_who_takes_them() -> None:
    shop = WORLDS["few-products"](seed=7, size=0.2)
    assert shop.items is not None
    assert shop.users is not None
    assert shop.events["item_id"].n_unique() == shop.items.height == 21
    students = shop.items.filter(pl.col("title") == "Student loan")["item_id"].item()
    ages = shop.events.filter(pl.col("item_id") == students).join(shop.users, on="user_id")["age"]
    assert ages.mean() < shop.users["age"].mean() - 8  # type: ignore[operator]
    assert 0.1 < shop.users["monthly_income"].null_count() / shop.users.height < 0.3
    assert repeat_share(shop.events) > 0.7


def test_the_player_hands_over_ids_alone_and_listeners_repeat_themselves() -> None:
    shop = world("ids-only")
    assert shop.items is None
    assert shop.users is None
    assert 0.2 < repeat_share(shop.events) < 0.8


def test_wholesale_lasts_two_years_and_most_lines_are_reorders() -> None:
    events = world("wholesale").events
    days = (events["timestamp"].max() - events["timestamp"].min()).days  # type: ignore[operator, union-attr]
    assert 700 < days <= 728
    assert repeat_share(events) > 0.6
    assert events.select("user_id", "item_id", pl.col("timestamp").dt.date()).is_unique().all()


def test_news_are_read_within_days_and_once() -> None:
    shop = WORLDS["news"](seed=7, size=0.05)
    assert shop.items is not None
    read = shop.events.join(shop.items.select("item_id", "created_at"), on="item_id")
    age_days = (read["timestamp"] - read["created_at"]).dt.total_seconds() / 86_400
    assert age_days.median() < 2  # type: ignore[operator]
    assert repeat_share(shop.events) == 0


def test_picked_draws_by_the_row_that_is_named() -> None:
    rng = np.random.default_rng(1)
    weights = np.array([[1.0, 0.0, 3.0], [0.0, 2.0, 0.0]])
    drawn = picked(rng, weights, np.repeat([0, 1], 4_000))
    assert (drawn[4_000:] == 1).all()
    assert np.bincount(drawn[:4_000], minlength=3) / 4_000 == pytest.approx([0.25, 0.0, 0.75], abs=0.03)


def test_a_choice_without_noise_takes_the_best_and_shares_sum_to_one() -> None:
    rng = np.random.default_rng(1)
    assert best(rng, np.array([[0.0, 2.0, 1.0], [5.0, 2.0, 1.0]]), noise=0.0).tolist() == [1, 0]
    assert heavy(rng, 50, spread=1.0).sum() == pytest.approx(1.0)


def test_plays_repeat_what_they_point_at_or_go_on_with_its_album() -> None:
    # 0 is new, 1 goes on from it, 2 repeats 1, 3 goes on from 2, 4 is new and last on its album, 5 goes on from 4.
    items, origin = np.array([8, 0, 0, 0, 7, 0]), np.array([-1, 0, 1, 2, -1, 4])
    goes_on = np.array([False, True, False, True, False, True])
    assert resolved(items, origin, goes_on).tolist() == [8, 9, 9, 10, 7, 0]


def test_a_row_holds_ours_beside_the_best_textbook_method_alone() -> None:
    def entry(value: float) -> dict[str, object]:
        return {"ndcg@10": value, "n": 9, "seconds": 1.0, "ours_minus_it": {"ndcg@10": [0.6 - value, 0.01, 0.2]}}

    methods = {"rectools": entry(0.58), "tributary": entry(0.6), "ease": entry(0.5), "popular": entry(0.4)}
    (row,) = bench_shops.rows_of("some", {"tasks": {"all": methods, "novel": {"ease": entry(0.5)}}})
    assert (row["shop"], row["task"], row["best"], row["ratio"]) == ("some", "all", "ease", 1.2)
    assert (row["difference"], row["low"], row["high"]) == (pytest.approx(0.1), 0.01, 0.2)


def test_an_unknown_shop_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        bench_shops.main(["--shops", "bakery"])
    assert stopped.value.code == 2
    assert "unknown bakery; there are sparse-views" in capsys.readouterr().err


def test_a_log_is_oldest_first() -> None:
    rows = log(np.array([2, 1]), np.array([0, 3]), np.array([1.5, 0.25]))
    assert rows.select("user_id", "item_id").rows() == [("u00001", "i00003"), ("u00002", "i00000")]
    assert rows["timestamp"].dt.hour().to_list() == [6, 12]
