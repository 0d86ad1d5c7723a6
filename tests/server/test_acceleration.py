"""Compiled rankers take LightGBM's place in a worker once they are there and equal, and never otherwise."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.ask import Ask, resolve
from recsys.compiled.cache import ForestCache
from recsys.compiled.forest import CompiledForest
from recsys.compiled.toolchain import toolchain, why_not
from recsys.errors import NoSnapshot
from recsys.ranker import Forest
from recsys.snapshot.store import SnapshotStore
from server.acceleration import Acceleration
from server.compile_rankers import compile_rankers
from server.live import Live
from server.settings import Settings
from server.watcher import Watcher

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

ASK = Ask(at=1_500_000_001, user_id="user-03", limit=20)
IN_USE, REFUSED = "compiled rankers in use", "compiled ranker refused, LightGBM scores"


class Follower:
    """A worker's watcher without its thread, and what it serves."""

    def __init__(self, settings: Settings) -> None:
        assert settings.compiled_cache is not None
        self.cache = ForestCache(settings.compiled_cache, toolchain())
        self.live = Live(NoSnapshot())
        self.acceleration = Acceleration(self.live, self.cache)
        self.watcher = Watcher(SnapshotStore(settings.snapshots), self.live, on_serving=lambda _: None)

    def look(self) -> dict[str, type]:
        """One round; the kind of each ranker afterwards."""
        self.watcher.look()
        self.acceleration.look()
        rankers = self.live.get().snapshot.pipeline.rankers
        return {name: type(ranker) for name, ranker in rankers.items()}

    def file(self, ranker: str) -> Path:
        digest = self.live.get().manifest.files[f"rankers/{ranker}.txt"].sha256
        return self.cache.folder / f"{self.cache.key(digest)}.forest"

    def answer(self) -> tuple[bytes, bytes]:
        slate = self.live.get().snapshot.recommend(ASK).slate
        return slate.items.tobytes(), slate.scores.tobytes()


@pytest.fixture
def settings(tmp_path: Path, publish: Callable[..., str], settings_for: Callable[..., Settings]) -> Settings:
    """Settings over a snapshot with two rankers that are in the cache already."""
    version = publish(tmp_path / "snapshots", ranked=True)
    settings = settings_for(tmp_path / "snapshots", compiled_cache=tmp_path / "forests")
    assert compile_rankers(settings, version)
    return settings


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [record.__dict__["fields"] for record in caplog.records if record.getMessage() == event]


def test_a_snapshot_serves_with_lightgbm_until_its_rankers_are_compiled_and_answers_the_same_after(
    tmp_path: Path,
    publish: Callable[..., str],
    settings_for: Callable[..., Settings],
    caplog: pytest.LogCaptureFixture,
) -> None:
    version = publish(tmp_path / "snapshots", ranked=True)
    settings = settings_for(tmp_path / "snapshots", compiled_cache=tmp_path / "forests")
    follower = Follower(settings)

    assert follower.look() == {"home": Forest, "discover": Forest}
    before, request = follower.answer(), follower.live.get()
    assert compile_rankers(settings, version)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert follower.look() == {"home": CompiledForest, "discover": CompiledForest}

    assert follower.answer() == before
    (line,) = logged(caplog, IN_USE)
    assert (line["snapshot"], line["rankers"]) == (version, ["discover", "home"])
    assert {type(ranker) for ranker in request.snapshot.pipeline.rankers.values()} == {Forest}
    assert follower.live.get().since_s == request.since_s


def test_compiled_scores_are_divided_by_the_text_they_were_compiled_from(settings: Settings) -> None:
    follower = Follower(settings)
    assert set(follower.look().values()) == {CompiledForest}
    snapshot = follower.live.get().snapshot
    query = resolve(replace(ASK, divide_scores=True), snapshot).query
    answer = snapshot.pipeline.recommend(query)

    assert answer.features is not None
    parts = snapshot.contributions(query, answer.slate, answer.features)
    np.testing.assert_allclose(parts.sum(axis=1), answer.slate.scores, atol=1e-4)
    assert np.ptp(answer.slate.scores) > 0.1


def test_the_next_snapshot_begins_with_lightgbm_again(settings: Settings, publish: Callable[..., str]) -> None:
    follower = Follower(settings)
    assert set(follower.look().values()) == {CompiledForest}

    publish(settings.snapshots, 2, ranked=True)

    assert set(follower.look().values()) == {Forest}


def test_a_snapshot_without_rankers_has_nothing_to_compile(
    tmp_path: Path, publish: Callable[..., str], settings_for: Callable[..., Settings]
) -> None:
    version = publish(tmp_path / "snapshots")
    settings = settings_for(tmp_path / "snapshots", compiled_cache=tmp_path / "forests")

    assert Follower(settings).look() == {}
    assert compile_rankers(settings, version)
    assert not (tmp_path / "forests").exists()


def test_a_corrupted_file_is_refused_once_and_used_when_it_has_been_replaced(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    follower = Follower(settings)
    follower.watcher.look()
    file = follower.file("home")
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)

    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert follower.look() == {"home": Forest, "discover": CompiledForest}
    (line,) = logged(caplog, REFUSED)
    assert line["ranker"] == "home"
    assert "was altered" in line["reason"]

    assert compile_rankers(settings, follower.live.get().manifest.version)
    assert set(follower.look().values()) == {CompiledForest}


def test_a_folder_that_others_can_write_is_refused(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    assert settings.compiled_cache is not None
    settings.compiled_cache.chmod(0o777)

    with caplog.at_level(logging.ERROR):
        assert set(Follower(settings).look().values()) == {Forest}

    assert {line["ranker"] for line in logged(caplog, REFUSED)} == {"home", "discover"}
    assert all("can be written by others" in line["reason"] for line in logged(caplog, REFUSED))


def swap_contents(follower: Follower) -> None:
    """Put the code of each ranker under the name of the other, whole in every other respect."""
    files = {name: follower.live.get().manifest.files[f"rankers/{name}.txt"].sha256 for name in ("home", "discover")}
    n_features = len(follower.live.get().manifest.features)
    codes = {}
    for name in files:
        rest = follower.file(name).read_bytes().partition(b"\n")[2]
        codes[name] = rest.partition(b"\n")[2]
    from recsys.compiled.machine_code import MachineCode

    with follower.cache.locked() as work:
        follower.cache.put(files["home"], MachineCode(codes["discover"], 0), n_features, work)
        follower.cache.put(files["discover"], MachineCode(codes["home"], 0), n_features, work)


def test_code_that_scores_otherwise_is_refused(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    follower = Follower(settings)
    follower.watcher.look()
    swap_contents(follower)

    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            assert set(follower.look().values()) == {Forest}

    assert [line["reason"].endswith("otherwise than LightGBM") for line in logged(caplog, REFUSED)] == [True, True]


def test_code_that_answers_golden_questions_otherwise_is_refused(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = Follower(settings)
    follower.watcher.look()
    before = follower.answer()
    swap_contents(follower)
    # Rows alone would have found it; here they are left out.
    monkeypatch.setattr("server.acceleration.require_equal", lambda compiled, forest: None)

    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            assert set(follower.look().values()) == {Forest}

    assert follower.answer() == before
    assert len(logged(caplog, REFUSED)) == 2
    assert "golden query" in logged(caplog, REFUSED)[0]["reason"]
