"""Following CURRENT: load aside, swap, refuse what is bad, give memory back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recsys.ask import Ask
from recsys.errors import NoSnapshot, SchemaMismatch, SnapshotCorrupt, Unavailable
from recsys.snapshot.signature import verify_key
from recsys.snapshot.store import SnapshotStore
from server.live import KEPT_S, Live
from server.watcher import FIRST_RETRY_S, LAST_RETRY_S, Watcher

Publish = Callable[..., str]


class Follower:
    """A watcher without its thread: the test looks, and moves the clock."""

    def __init__(self, root: Path, key: str = "") -> None:
        self.live = Live(NoSnapshot())
        self.served: list[str] = []
        self.time_s = 0.0
        store = SnapshotStore(root, verify_key=verify_key(key) if key else None)
        self.watcher = Watcher(store, self.live, on_serving=self.served.append, now_s=lambda: self.time_s)

    def look(self, later_s: float = 0.0) -> str | None:
        self.time_s += later_s
        self.watcher.look()
        return self.live.version()


def flip_a_byte(path: Path, position: int = 200) -> None:
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1
    path.write_bytes(raw)


def refusals(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.__dict__["fields"] for record in caplog.records if record.getMessage() == "snapshot refused"]


def mapped(folder: Path) -> int:
    return Path("/proc/self/maps").read_text().count(str(folder))


def test_nothing_is_served_before_the_first_publication_and_the_newest_after(tmp_path: Path, publish: Publish) -> None:
    follower = Follower(tmp_path)

    assert follower.look() is None
    with pytest.raises(NoSnapshot):
        follower.live.get()
    first = publish(tmp_path, 1)
    assert follower.look() == first
    second = publish(tmp_path, 2)
    assert follower.look() == second
    follower.look()
    assert follower.served == [first, second]


def test_a_rolled_back_version_is_followed_too(tmp_path: Path, publish: Publish) -> None:
    first, _ = publish(tmp_path, 1), publish(tmp_path, 2)
    follower = Follower(tmp_path)
    follower.look()

    SnapshotStore(tmp_path).roll_back()

    assert follower.look() == first


@pytest.mark.parametrize("file", ["golden.json", "arrays/items.ids.npy", "indexes/als.faiss", "manifest.json"])
def test_a_flipped_byte_in_the_new_snapshot_is_refused_by_name_and_the_old_one_serves_on(
    tmp_path: Path, publish: Publish, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    old = publish(tmp_path, 1)
    follower = Follower(tmp_path)
    follower.look()
    new = publish(tmp_path, 2)
    flip_a_byte(tmp_path / new / file)

    with caplog.at_level(logging.ERROR):
        assert follower.look() == old

    (refusal,) = refusals(caplog)
    assert (refusal["snapshot"], refusal["serving"], refusal["error"]) == (new, old, "SnapshotCorrupt")
    assert file in refusal["reason"]


def test_a_refused_version_is_not_tried_in_a_hot_loop_but_again_later_and_another_at_once(
    tmp_path: Path, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    bad = publish(tmp_path, 1)
    flip_a_byte(tmp_path / bad / "golden.json")
    follower = Follower(tmp_path)

    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            follower.look(later_s=1)
        assert len(refusals(caplog)) == 1
        follower.look(later_s=FIRST_RETRY_S)
        assert len(refusals(caplog)) == 2
        for _ in range(12):
            follower.look(later_s=LAST_RETRY_S)
    assert max(refusal["retry_in_s"] for refusal in refusals(caplog)) == LAST_RETRY_S

    flip_a_byte(tmp_path / bad / "golden.json")
    assert follower.look(later_s=LAST_RETRY_S) == bad
    other = publish(tmp_path, 2)
    assert follower.look() == other


def test_a_snapshot_whose_golden_answers_do_not_replay_is_refused(
    tmp_path: Path, publish: Publish, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish(tmp_path, 1)
    follower = Follower(tmp_path)
    # The files are whole; what differs is the code that answers.
    monkeypatch.setattr("recsys.model.Snapshot.answer", lambda self, ask: ("other",))

    with caplog.at_level(logging.ERROR):
        assert follower.look() is None

    (refusal,) = refusals(caplog)
    assert (refusal["snapshot"], refusal["error"]) == (version, "SnapshotCorrupt")
    assert "golden" in refusal["reason"]


def test_with_a_key_an_unsigned_snapshot_is_refused(
    tmp_path: Path, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publish(tmp_path, 1)
    follower = Follower(tmp_path, key="hmac:" + "ab" * 32)

    with caplog.at_level(logging.ERROR):
        assert follower.look() is None

    assert "manifest.sig is missing" in refusals(caplog)[0]["reason"]
    with pytest.raises(SnapshotCorrupt):
        follower.live.get()


def test_a_current_that_names_nothing_is_said_once_and_the_old_one_serves_on(
    tmp_path: Path, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    version = publish(tmp_path, 1)
    follower = Follower(tmp_path)
    follower.look()
    (tmp_path / "CURRENT").write_text("garbage\n")

    with caplog.at_level(logging.ERROR):
        assert [follower.look() for _ in range(3)] == [version] * 3

    assert [record.getMessage() for record in caplog.records] == ["no current snapshot"]


def test_the_old_snapshots_memory_is_given_back_after_half_an_hour_when_its_last_request_ends(
    tmp_path: Path, publish: Publish
) -> None:
    old = publish(tmp_path, 1)
    follower = Follower(tmp_path)
    follower.look()
    request = follower.live.get()
    publish(tmp_path, 2)
    follower.look(later_s=100.0)
    follower.look(later_s=KEPT_S - 1)
    assert follower.live.before(old) is not None
    follower.look(later_s=1)

    assert follower.live.before(old) is None
    assert mapped(tmp_path / old) > 0
    assert request.snapshot.answer(Ask(at=1_500_000_001, user_id="user-01", limit=3))
    del request
    assert mapped(tmp_path / old) == 0


def test_of_snapshots_that_replace_each_other_quickly_the_last_two_are_kept(tmp_path: Path, publish: Publish) -> None:
    follower = Follower(tmp_path)
    versions = []
    for seed in (1, 2, 3, 4):
        versions.append(publish(tmp_path, seed))
        follower.look()

    assert [follower.live.before(version) is not None for version in versions] == [False, True, True, False]
    SnapshotStore(tmp_path).roll_back()
    follower.look()
    # What is served again is no longer one of those before.
    assert [follower.live.before(version) is not None for version in versions] == [False, True, False, True]


def test_the_same_snapshot_with_other_rankers_replaces_itself(tmp_path: Path, publish: Publish) -> None:
    version = publish(tmp_path, 1)
    follower = Follower(tmp_path)
    follower.look()
    same = follower.live.get()

    follower.live.swap(replace(same))

    assert follower.live.get() is not same
    assert follower.live.before(version) is None


def test_an_absence_is_raised_afresh_with_its_own_kind() -> None:
    for kind in (NoSnapshot, Unavailable, SchemaMismatch):
        live = Live(kind())
        with pytest.raises(kind) as first:
            live.get()
        with pytest.raises(kind) as second:
            live.get()
        assert first.value is not second.value
