"""The benchmark of list quality: its truth, its metrics and its methods, against what can be worked out by hand."""

from __future__ import annotations

import ast
import json
import math
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import sparse

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the scripts of a folder find each other there when they are run

import quality  # noqa: E402
from peers.choice import choose  # noqa: E402
from peers.cut import Cut, rolling, sampled, takes_twice  # noqa: E402
from peers.ease import _dual, _primal  # noqa: E402
from peers.history import History  # noqa: E402
from peers.lists import _top, best_lists  # noqa: E402
from peers.methods import METHODS, own_history, popular  # noqa: E402
from peers.scoring import Score, difference, pooled, score  # noqa: E402
from peers.tables import Events, instant, iso, read_events  # noqa: E402

T = datetime(2026, 3, 1, tzinfo=UTC)
BEFORE, AFTER = T - timedelta(days=3), T + timedelta(days=3)
CUT = Cut(instant(T.isoformat()), None)


def log(*rows: tuple[str, str, str, datetime], folder: Path, value: list[float] | None = None) -> Events:
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "event_type", "timestamp"], orient="row")
    if value is not None:
        table = table.with_columns(value=pl.Series(value))
    table.write_parquet(folder / "events.parquet")
    return read_events(folder)


def pairs(truth: pl.DataFrame) -> list[tuple[str, str]]:
    return truth.rows()


def test_truth_is_what_known_users_take_after_the_cut_and_novel_leaves_out_what_they_had(tmp_path: Path) -> None:
    events = log(
        ("ann", "tea", "purchase", BEFORE),
        ("ann", "jam", "view", BEFORE),
        ("ann", "tea", "purchase", AFTER),
        ("ann", "jam", "Purchase", AFTER),
        ("ann", "jam", "purchase", AFTER + timedelta(days=1)),
        ("ann", "nut", "view", AFTER),
        ("bob", "tea", "purchase", AFTER),
        ("cem", "tea", "view", BEFORE),
        ("cem", "new", "purchase", T),
        folder=tmp_path,
    )
    assert events.targets == ("purchase",)
    assert pairs(CUT.truth(events, "all")) == [("ann", "jam"), ("ann", "tea"), ("cem", "new")]
    assert pairs(CUT.truth(events, "novel")) == [("ann", "jam"), ("cem", "new")]


def test_a_low_rating_is_no_success_yet_the_item_is_had(tmp_path: Path) -> None:
    events = log(
        ("ann", "film", "rating", BEFORE),
        ("ann", "film", "rating", AFTER),
        ("ann", "play", "rating", AFTER),
        ("ann", "dull", "rating", AFTER),
        folder=tmp_path,
        value=[1.0, 5.0, 4.0, 3.5],
    )
    assert pairs(CUT.truth(events, "all")) == [("ann", "film"), ("ann", "play")]
    assert pairs(CUT.truth(events, "novel")) == [("ann", "play")]


def test_columns_and_targets_follow_the_folders_settings(tmp_path: Path) -> None:
    (tmp_path / "recsys.toml").write_text(
        '[columns.events]\nuser_id = "who"\n[events]\ntarget_types = ["add-to-cart"]\n', encoding="utf-8"
    )
    rows = "who,item_id,event_type,timestamp\n1,a,purchase,1000\n1,b,add_to_cart,1970-01-01T00:20:00Z\n"
    (tmp_path / "events.csv").write_text(rows.replace("1970-01-01T00:20:00Z", "1200"), encoding="utf-8")
    events = read_events(tmp_path)
    assert events.targets == ("add_to_cart",)
    assert events.rows["is_target"].to_list() == [False, True]
    assert events.rows["at"].to_list() == [1_000_000_000, 1_200_000_000]


def test_rolling_windows_end_with_the_last_event_and_do_not_overlap(tmp_path: Path) -> None:
    events = log(("ann", "tea", "purchase", T - timedelta(days=100)), ("ann", "tea", "purchase", T), folder=tmp_path)
    oldest, newest = rolling(events, 2)
    assert iso(newest.start) == (T - timedelta(days=28)).isoformat()
    assert newest.end is None
    assert oldest.end == newest.start
    assert oldest.start == newest.earlier().start
    assert iso(rolling(events, 1, horizon_days=2)[0].start) == (T - timedelta(days=2)).isoformat()
    assert iso(newest.earlier(horizon_days=2).start) == (T - timedelta(days=30)).isoformat()


def test_a_log_without_repeats_takes_nothing_twice(tmp_path: Path) -> None:
    once = log(("ann", "tea", "purchase", BEFORE), ("ann", "jam", "purchase", BEFORE), folder=tmp_path)
    assert not takes_twice(once, CUT)
    again = log(("ann", "tea", "purchase", BEFORE), ("ann", "tea", "purchase", BEFORE - timedelta(1)), folder=tmp_path)
    assert takes_twice(again, CUT)


def test_a_sample_keeps_the_whole_truth_of_the_users_it_draws() -> None:
    truth = pl.DataFrame({"user_id": [str(i // 3) for i in range(60)], "item_id": [str(i) for i in range(60)]})
    some = sampled(truth, 5)
    assert some["user_id"].n_unique() == 5
    assert some.height == 15
    assert sampled(truth, 0).equals(truth)


def listed(user: str, *items: str) -> pl.DataFrame:
    return pl.DataFrame({"user_id": user, "rank": range(1, len(items) + 1), "item_id": items})


def test_metrics_are_those_of_the_textbook() -> None:
    truth = pl.DataFrame({"user_id": ["ann"] * 12 + ["bob"], "item_id": [f"i{n:02}" for n in range(12)] + ["i00"]})
    top = listed("ann", "x", "i00", "x", "i01")
    deep = listed("ann", "x", "i00", "x", "i01", *(f"y{n}" for n in range(10)), "i02")
    one = score(top, deep, truth, pl.Series(["i00", "x", "z", "w"]))
    ann, bob = one.users.rows(named=True)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, 11))
    assert ann["ndcg@10"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)
    assert ann["recall@10"] == pytest.approx(2 / 10)
    assert ann["recall@100"] == pytest.approx(3 / 12)
    assert (ann["hit@10"], ann["mrr"]) == (1.0, 0.5)
    assert [bob[name] for name in ("ndcg@10", "recall@10", "recall@100", "hit@10", "mrr")] == [0.0] * 5
    assert (one.coverage, one.hits_coverage) == (2 / 4, 1 / 4)
    assert pooled([one, one])["mrr"] == 0.25


def test_an_item_shown_twice_counts_once() -> None:
    truth = pl.DataFrame({"user_id": ["ann", "ann"], "item_id": ["a", "b"]})
    twice = score(listed("ann", "a", "a"), listed("ann", "a", "a"), truth, pl.Series(["a"]))
    assert twice.users["recall@10"].to_list() == [0.5]


def users_with(values: list[float]) -> Score:
    names = [f"u{i:02}" for i in range(len(values))]
    return Score(pl.DataFrame({"user_id": names, "ndcg@10": values}), 0.0, 0.0)


def test_a_gain_that_every_user_has_is_certain_and_one_users_gain_is_not() -> None:
    base = [0.1 * (i % 7) for i in range(40)]
    mean, low, high = difference([users_with([x + 0.2 for x in base])], [users_with(base)], "ndcg@10")
    assert (mean, low, high) == pytest.approx((0.2, 0.2, 0.2))
    mean, low, high = difference([users_with([base[0] + 4.0, *base[1:]])], [users_with(base)], "ndcg@10")
    assert mean == pytest.approx(0.1)
    assert low == 0.0
    assert high > 0.2


def test_windows_of_one_user_are_drawn_together() -> None:
    gains, nothing = [1.0] * 5 + [-1.0] * 5, [0.0] * 10
    once = difference([users_with(gains)], [users_with(nothing)], "ndcg@10")
    four_times = difference([users_with(gains)] * 4, [users_with(nothing)] * 4, "ndcg@10")
    assert four_times == pytest.approx(once)


def test_both_ways_to_solve_ease_give_the_scores_of_the_paper() -> None:
    rng = np.random.default_rng(3)
    taken = (rng.random((9, 6)) < 0.5).astype(np.float32)
    inverse = np.linalg.inv(taken.T @ taken + 0.7 * np.eye(6))
    weights = np.eye(6) - inverse / np.diag(inverse)
    everyone = np.arange(9)
    for solve in (_primal, _dual):
        assert solve(sparse.csr_matrix(taken), 0.7)(everyone) == pytest.approx(taken @ weights, abs=1e-4)


def checkerboard(folder: Path) -> Events:
    """Even users take even items, odd users odd ones: 4 of 10, then the last day one more."""
    rng = np.random.default_rng(5)
    rows = []
    for user in range(60):
        mine = rng.permutation([item for item in range(20) if item % 2 == user % 2])
        for day, item in enumerate(mine[:6]):
            rows.append((f"u{user:02}", f"i{item:02}", "purchase", BEFORE - timedelta(days=day * 9)))
        rows.append((f"u{user:02}", f"i{mine[6]:02}", "purchase", AFTER))
    return log(*rows, folder=folder)


@pytest.mark.parametrize(
    "method", [one for one in METHODS if one.name not in ("popular", "popular-4w", "popular-days", "history")]
)
def test_every_personal_method_sees_the_checkerboard(method: quality.Method, tmp_path: Path) -> None:
    events = checkerboard(tmp_path)
    history = History.of(CUT.before(events), start=CUT.start, with_all_events=False)
    users = history.user_ids.to_list()
    scores = method.fit(history, **method.settings[0])
    lists = best_lists(history, scores, users)[True].filter(pl.col("rank") <= 4)
    same_colour = lists["user_id"].str.slice(1).cast(pl.Int64) % 2 == lists["item_id"].str.slice(1).cast(pl.Int64) % 2
    assert lists.height == 4 * len(users)
    assert same_colour.all()


def test_lists_leave_out_what_is_owned_and_fill_up_with_what_is_popular_now(tmp_path: Path) -> None:
    long_ago = BEFORE - timedelta(days=200)
    events = log(
        ("ann", "tea", "purchase", BEFORE),
        *((name, "old", "purchase", long_ago) for name in ("bob", "cem", "dot")),
        *((name, "now", "purchase", BEFORE) for name in ("bob", "cem")),
        folder=tmp_path,
    )
    history = History.of(CUT.before(events), start=CUT.start, with_all_events=False)
    own = own_history(history)
    assert best_lists(history, own, ["ann"])[False]["item_id"].to_list() == ["tea", "now", "old"]
    assert best_lists(history, own, ["ann"])[True]["item_id"].to_list() == ["now", "old"]
    ever = popular(history)
    assert best_lists(history, ever, ["ann"])[False]["item_id"].to_list() == ["old", "now", "tea"]


def test_the_best_hundred_are_found_among_many_with_ties_by_number() -> None:
    values = np.random.default_rng(2).integers(1, 60, size=(5, 9_001)).astype(np.float32)
    values[2, 9_000] = 99.0
    found = _top(values)
    assert np.array_equal(found, np.argsort(-values, axis=1, kind="stable")[:, :100])
    assert found[2, 0] == 9_000


def test_own_history_decays_on_two_scales(tmp_path: Path) -> None:
    events = log(("ann", "tea", "purchase", T - timedelta(weeks=6)), folder=tmp_path)
    history = History.of(CUT.before(events), start=CUT.start, with_all_events=False)
    scores = own_history(history)(np.array([0]))
    assert scores[0, 0] == pytest.approx(0.3 * math.exp(-6 / 3) + math.exp(-6 / 20))


def test_views_speak_more_quietly_and_only_when_all_events_are_fed(tmp_path: Path) -> None:
    events = log(
        ("ann", "tea", "purchase", BEFORE),
        ("ann", "jam", "view", BEFORE),
        ("ann", "nut", "add_to_cart", BEFORE),
        folder=tmp_path,
    )
    before = CUT.before(events)
    quiet = History.of(before, start=CUT.start, with_all_events=True).rows["weight"].to_list()
    assert quiet == [0.2, 0.5, 1.0]
    assert History.of(before, start=CUT.start, with_all_events=False).rows.height == 1


def test_where_nothing_is_taken_twice_the_choice_leaves_out_what_is_owned(tmp_path: Path) -> None:
    events = checkerboard(tmp_path)
    knn = next(one for one in METHODS if one.name == "cosine-knn")
    chosen = choose(knn, events, CUT, with_all_events=False)
    assert chosen["all"].exclude_owned


def test_the_program_writes_what_it_measured(tmp_path: Path) -> None:
    checkerboard(tmp_path)
    out = tmp_path / "bench" / "quality.json"
    arguments = ["--data", str(tmp_path), "--split-at", T.isoformat(), "--only", "popular,ease", "--json", str(out)]
    assert quality.main(arguments) == 0
    tasks = json.loads(out.read_text())["tasks"]
    assert tasks["novel"]["ease"]["n"] == 60
    assert tasks["novel"]["ease"]["hit@10"] == 1.0
    assert tasks["novel"]["ease"]["ndcg@10"] > tasks["novel"]["popular"]["ndcg@10"]


def test_windows_before_the_data_begin_are_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkerboard(tmp_path)
    out = tmp_path / "quality.json"
    arguments = ["--data", str(tmp_path), "--windows", "3", "--only", "ease", "--no-tuning", "--json", str(out)]
    assert quality.main(arguments) == 0
    report = json.loads(out.read_text())
    assert len(report["cuts"]) == len(report["tasks"]["all"]["ease"]["ndcg@10_by_window"]) == 1
    assert "left out" in capsys.readouterr().out
    log(("ann", "tea", "purchase", BEFORE), folder=tmp_path)
    with pytest.raises(SystemExit) as stopped:
        quality.main(arguments)
    assert stopped.value.code == 2


def test_bad_arguments_are_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--only", "magic"], ["--split-at", "soon"], ["--data", str(tmp_path), "--only", "popular"]):
        with pytest.raises(SystemExit) as stopped:
            quality.main(arguments)
        assert stopped.value.code == 2
    assert "holds no events.parquet" in capsys.readouterr().err


def test_truth_metrics_and_methods_share_no_code_with_the_project() -> None:
    for path in [HERE / "quality.py", *(HERE / "peers").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & {"recsys", "index", "server", "protos"}, path
