"""The figures of the replay, by hand."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bench_replay import Replay, renamed
from replay.figures import cold_start, ndcg, new_items, recovery, truth_of

CUT = datetime(2025, 6, 1, tzinfo=UTC)
BEFORE, AFTER = CUT - timedelta(days=1), CUT


def events(*rows: tuple[str, str, datetime]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")


def lists(*rows: tuple[str, int, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"user_id": pl.String, "rank": pl.Int64, "item_id": pl.String}, orient="row")


SHOP = events(
    ("ann", "tea", BEFORE), ("bob", "tea", BEFORE), ("bob", "rye", BEFORE),
    ("ann", "tea", AFTER), ("ann", "fig", AFTER), ("bob", "fig", AFTER), ("eve", "fig", AFTER),
)  # fmt: skip


def test_the_truth_is_what_known_users_buy_from_the_cut_on_and_novel_leaves_out_what_they_had() -> None:
    assert sorted(truth_of(SHOP, CUT, "all").rows()) == [("ann", "fig"), ("ann", "tea"), ("bob", "fig")]
    assert sorted(truth_of(SHOP, CUT, "novel").rows()) == [("ann", "fig"), ("bob", "fig")]


def test_ndcg_counts_places_by_their_logarithm_and_a_missing_list_as_zero() -> None:
    found = ndcg(lists(("ann", 1, "rye"), ("ann", 2, "fig")), truth_of(SHOP, CUT, "all"))

    assert found["user_id"].to_list() == ["ann", "bob"]
    assert found["ndcg"].to_list() == [pytest.approx((1 / np.log2(3)) / (1 + 1 / np.log2(3))), 0.0]


@pytest.mark.parametrize(
    ("n_events", "expected"),
    [
        (0, []),
        (1, [("cold-1-ann", "cold-1-2", "fig"), ("cold-1-bob", "cold-1-3", "rye")]),
        (2, [("cold-2-ann", "cold-2-1", "tea"), ("cold-2-ann", "cold-2-2", "fig"), ("cold-2-bob", "cold-2-3", "rye")]),
    ],
)
def test_newcomers_have_somebody_s_latest_events_before_the_cut(
    n_events: int, expected: list[tuple[str, str, str]]
) -> None:
    rows = [
        ("ann", "oat", BEFORE, "0"), ("ann", "tea", BEFORE + timedelta(hours=1), "1"),
        ("ann", "fig", BEFORE + timedelta(hours=2), "2"), ("bob", "rye", BEFORE + timedelta(hours=3), "3"),
        ("ann", "egg", AFTER, "4"),
    ]  # fmt: skip
    bought = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "event_id"], orient="row")
    found = renamed(Replay(bought, pl.DataFrame({"item_id": []}), CUT), n_events)
    assert found.select("user_id", "event_id", "item_id").rows() == expected


def told(figures: dict[str, Any], *path: str) -> Any:
    for name in path:
        figures = figures[name]
    return figures


def test_what_is_recovered_is_the_share_of_the_gap_that_live_lists_close() -> None:
    nothing, one, both = lists(), lists(("ann", 1, "fig")), lists(("ann", 1, "fig"), ("bob", 1, "fig"))
    by_name = {"stale": nothing, "events": nothing, "live": one, "fresh": both}
    found = {name: {"all": of, "novel": of} for name, of in by_name.items()}

    figures = recovery(found, SHOP, CUT)

    assert told(figures, "novel", "gap", "value") == 1.0
    assert told(figures, "novel", "recovered", "live", "value") == 0.5
    assert told(figures, "novel", "recovered", "events", "value") == 0.0
    assert told(figures, "novel", "gap_is_noise") is False


def test_cold_lists_are_those_of_the_same_people_and_stand_beside_what_most_bought_lately() -> None:
    cold = lists(("cold-1-ann", 1, "fig"), ("cold-1-bob", 1, "fig"))

    figures = cold_start({"cold-1": {"all": cold, "novel": cold}}, SHOP, CUT, [1])

    assert told(figures, "novel", "popular") == 0.0  # tea, then rye: nobody buys them for the first time
    assert told(figures, "novel", "1", "ndcg@10") == 1.0
    assert told(figures, "novel", "1", "over_popular", "low") == 1.0


def test_hits_of_new_items_are_counted_beside_those_of_the_fresh_snapshot() -> None:
    one, both = lists(("ann", 1, "fig"), ("bob", 1, "tea")), lists(("ann", 1, "fig"), ("bob", 1, "fig"))
    found = {name: {"all": of, "novel": of} for name, of in (("stale", lists()), ("live", one), ("fresh", both))}

    figures = new_items(found, SHOP, pl.DataFrame({"item_id": ["fig"]}), CUT)

    assert told(figures, "all", "live") == {"shown": 1, "hits": 1}
    assert told(figures, "all", "share_of_fresh_hits") == 0.5
