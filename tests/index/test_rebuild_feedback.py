"""rebuild --feedback by the real command: what it says of lists, what it does not know of them, what it refuses."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from index.builder import Builder
from index.dataset import load
from index.feedback import Feedback
from index.feedback_option import impressions
from index.impression_sources import of_files, of_state, to_file
from index.impressions import Impressions
from index.kept_selection import Shop
from index.progress import Stages
from index.settings import OPTIONAL_SOURCES
from index.state_tables import StateTables
from recsys.snapshot.store import SnapshotStore
from recsys.stores.opening import open_state
from recsys.stores.records import LiveEvent, ShownItem, ShownSlate

Run = Callable[..., Any]
US, DAY_S = 1_000_000, 86_400
END = 1_751_068_800  # 2025-06-28
FIRST_DAY = 1_735_689_600


@pytest.fixture(scope="module")
def lists(corner_shop: Any) -> pl.DataFrame:
    """Of six random items to everybody every fourth day of the half year; what is first is taken by every fifth."""
    rng = np.random.default_rng(8)
    days = np.arange(90, 178, 4)
    users, items = corner_shop.users["user_id"].to_numpy(), corner_shop.items["item_id"].to_numpy()
    n = len(users) * len(days)
    shown = np.argsort(rng.random((n, len(items))), axis=1)[:, :6]
    times = FIRST_DAY + np.tile(days, len(users)) * DAY_S + 3600
    taken = (rng.random((n, 6)) < 0.2 / np.arange(1, 7)).ravel()
    shown_at = np.repeat(times, 6)
    return pl.DataFrame(
        {
            "user_id": np.repeat(users, 6 * len(days)),
            "item_id": items[shown.ravel()],
            "timestamp": shown_at,
            "position": np.tile(np.arange(1, 7), n),
            "taken_at": pl.Series(shown_at + 60).set(pl.Series(~taken), None),
        }
    )


@pytest.fixture
def data(corner_shop: Any, tmp_path: Path) -> Path:
    """A shop that is built quickly."""
    folder: Path = corner_shop.without_text().write(tmp_path / "data")
    off = [source for source in OPTIONAL_SOURCES if source != "next"]
    (folder / "recsys.toml").write_text(f"[training]\nwindows = 2\n[sources]\noff = {off}\n")
    return folder


def test_what_became_of_feedback_is_said_and_nothing_after_the_end_is_known(
    rebuild: Run, data: Path, lists: pl.DataFrame, tmp_path: Path
) -> None:
    store = SnapshotStore(tmp_path / "snapshots")

    def files(*words: object) -> tuple[dict[str, Any], str]:
        ran = rebuild(data, "--until", "2025-06-28", *words)
        assert ran.code == 0, ran.err
        return dict(store.manifest(store.current()).files), ran.err

    before = lists.filter(pl.col("timestamp") < END)
    before.write_parquet(tmp_path / "before.parquet")
    first, said = files("--feedback", tmp_path / "before.parquet")
    n_taken = before.height - before["taken_at"].null_count()
    assert f"feedback: {before.height:,} impressions of 60 users, {n_taken:,} taken\n" in said
    manifest = store.manifest(store.current())
    told = store.open(store.current()).json("report.json")["feedback"]
    assert (told["n"], told["n_taken"], told["n_late"]) == (before.height, n_taken, 0)
    for name in ("home", "discover"):
        how = "feedback used, a look counts" if told["strengths"][name] else "feedback not used"
        assert f"; {how}" in manifest.fusion_choices[name].why
        assert f"note: {name}: {how}" in said

    # What was shown, and what was taken up, after the end.
    late = before.with_columns(timestamp=pl.col("timestamp") + 120 * DAY_S, taken_at=pl.col("timestamp") + 121 * DAY_S)
    late = late.filter(pl.col("timestamp") >= END)
    more = pl.concat([before.with_columns(pl.col("taken_at").fill_null(END)), late])
    more.write_csv(tmp_path / "more.csv")
    second, said = files("--feedback", tmp_path / "more.csv", "--reselect")
    assert f"{late.height:,} after the end" in said
    assert {name for name in first if first[name] != second.get(name)} == {"report.json"}

    again, said = files("--feedback", tmp_path / "before.parquet")
    assert "the data are the same" in said
    assert "note: feedback is used by " in said
    assert {name for name in first if first[name] != again.get(name)} == {"report.json"}


def test_a_choice_that_knew_no_feedback_is_not_used_with_it_nor_the_other_way_round(
    data: Path, lists: pl.DataFrame, tmp_path: Path
) -> None:
    lists.write_parquet(tmp_path / "lists.parquet")
    rows, _ = of_files(tmp_path / "lists.parquet", most_rejected=0.0)
    builder = Builder.of(load(data, now=END), cache=tmp_path / "cache", stages=Stages())
    known = [None, *(Impressions.of(part, builder.dataset, end=END) for part in (rows, rows, rows[1:]))]
    plain, first, same, other = (Shop.of(replace(builder, shown=shown), END) for shown in known)
    assert plain.kind != first.kind
    assert first == same
    assert (first.kind, first.data == other.data) == (other.kind, False)


def refused(rebuild: Run, data: Path, path: Path) -> str:
    ran = rebuild(data, "--feedback", path)
    assert ran.code == 2
    last: str = ran.err.splitlines()[-1]
    return last


def test_feedback_that_is_none_is_one_clear_sentence(
    rebuild: Run, data: Path, lists: pl.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "feedback.parquet"
    assert refused(rebuild, data, path) == f"recsys-index: --feedback {path} does not exist"
    path.write_bytes(b"PAR1 and nothing else")
    assert refused(rebuild, data, path).startswith(f"recsys-index: {path} cannot be read: ")
    lists.drop("taken_at").write_parquet(path)
    assert refused(rebuild, data, path) == (
        f"recsys-index: {path} has no column taken_at, which feedback needs; its columns are "
        "user_id, item_id, timestamp, position"
    )
    lists.with_columns(position=0).write_parquet(path)
    assert refused(rebuild, data, path).startswith(
        f"recsys-index: {lists.height:,} of {lists.height:,} rows of {path} are no impressions, the limit is 20.0%: "
    )
    lists.with_columns(user_id=pl.lit("client of ") + pl.col("user_id")).write_parquet(path)
    assert refused(rebuild, data, path) == (
        f"recsys-index: --feedback {path}: none of its {lists.height:,} rows is of a user and an item of {data}"
    )
    (tmp_path / "empty").mkdir()
    assert "holds no feedback; expected files that end in .parquet" in refused(rebuild, data, tmp_path / "empty")
    (tmp_path / "feedback.txt").write_text("user_id")
    assert "must end in one of .parquet, .csv" in refused(rebuild, data, tmp_path / "feedback.txt")
    assert not (tmp_path / "snapshots").exists()


def test_rows_that_make_no_sense_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [
        "user_id,item_id,timestamp,position,taken_at",
        "u,i,2025-01-02T00:00Z,1,2025-01-02T00:01Z",
        "u,i,1735776000,2,",
        "u,,1735776000,2,",
        "u,i,someday,2,",
        "u,i,1735776000,1.5,",
        "u,i,1735776000,3,1735775999",
        "u,i,1735776000,3,later",
    ]
    (tmp_path / "one.csv").write_text("\n".join(rows))
    table, n_rejected = of_files(tmp_path, most_rejected=0.9)
    assert n_rejected == 5
    assert table.rows() == [("u", "i", 1735776000, 1, "", 1735776060), ("u", "i", 1735776000, 2, "", None)]


def test_lists_in_the_state_are_those_that_the_report_writes(data: Path, tmp_path: Path) -> None:
    store = open_state(str(tmp_path / "state"))
    items = tuple(ShownItem(f"item-{n:02d}") for n in (3, 4, 5))

    def shown(request_id: str, at: int, user_id: str, visitor_id: str = "") -> ShownSlate:
        return ShownSlate(request_id, at * US, user_id, visitor_id, "home", "v1", items, first_position=21)

    store.slates.append(
        [
            shown("r1", END - 50, "user-011"),
            shown("r2", END - 40, "", "c1"),
            shown("r3", END - 30, ""),
            shown("r4", END - 20, "nobody"),
            shown("r5", END + 20, "user-011"),
        ]
    )
    while len(store.slates.since(0, 100)[0]) < 5:
        pass
    store.users.link("user-012", "c1")
    did = [("r1", "item-04", 10), ("r1", "item-04", 5), ("r2", "item-03", 7), ("r2", "item-09", 8)]
    store.events.append(
        [
            LiveEvent(f"e{n}", "View", (END + after - 50) * US, user_id="user-011", item_id=item, request_id=request)
            for n, (request, item, after) in enumerate(did)
        ]
    )
    dataset = load(data, now=END)
    rows = of_state(store, StateTables.read(store), dataset.settings, since=END - 1000)
    to_file(Feedback.read(store).placements, tmp_path / "shown.parquet")
    store.close()
    assert rows.equals(of_files(tmp_path / "shown.parquet", most_rejected=0.0)[0])

    known = Impressions.of(pl.concat([rows, rows]), dataset, end=END)
    users = [dataset.user_ids[user] for user in known.users]
    assert users == ["user-011"] * 3 + ["user-012"] * 3
    assert known.positions.tolist() == [21, 22, 23] * 2
    assert (known.n_taken, known.n_unknown, known.n_late) == (2, 6, 6)
    # A caller's clock may be behind: nothing is taken before it is shown.
    assert [known.taken[1], known.taken[3]] == [END - 45, END - 40]


def test_a_file_and_the_state_are_one_and_erased_users_are_in_neither(data: Path, tmp_path: Path) -> None:
    store = open_state(str(tmp_path / "state"))
    store.slates.append([ShownSlate("r1", (END - 50) * US, "user-011", "", "", "v1", (ShownItem("item-03"),))])
    while not store.slates.since(0, 100)[0]:
        pass
    store.users.link("user-012", "c1")
    store.users.erase("user-013", now_us=(END - 20) * US)
    tables = StateTables.read(store)
    store.close()
    rows = [("user-011", END - 50, 1), ("v:c1", END - 50, 2), ("user-013", END - 20, 1), ("user-013", END - 19, 3)]
    pl.DataFrame(
        [(user, "item-03", at, position, None) for user, at, position in rows],
        schema={"user_id": str, "item_id": str, "timestamp": int, "position": int, "taken_at": int},
        orient="row",
    ).write_parquet(tmp_path / "shown.parquet")
    dataset = load(data, now=END)
    arguments = Namespace(feedback=tmp_path / "shown.parquet", state=str(tmp_path / "state"), data=data)
    known = impressions(arguments, dataset, END, Stages(), tables)
    assert known is not None
    found = [(dataset.user_ids[user], place) for user, place in zip(known.users, known.positions, strict=True)]
    assert found == [("user-011", 1), ("user-012", 2), ("user-013", 3)]
    assert (known.n_erased, known.n_unknown) == (1, 0)
    assert impressions(Namespace(feedback=None, state=None, data=data), dataset, END, Stages(), None) is None
    from_state = impressions(Namespace(feedback=None, state=arguments.state, data=data), dataset, END, Stages(), tables)
    assert from_state is not None
    assert (len(from_state), from_state.n_erased) == (1, 0)
