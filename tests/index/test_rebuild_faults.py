"""A rebuild that is killed, and files that are not what was written: what is served stays what it was."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from protos.recommender.v1.recommendation_service_pb2 import RecommendRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.errors import SnapshotError
from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore
from server.channel import connect

from .doomed_rebuilds import DoomedRebuilds

Run = Callable[..., Any]
STAGES = (
    "read and clean",
    "embed texts",
    "fit sources before",
    "candidates and features",
    "fit sources on everything",
    "choose the fusion of home",
    "choose the fusion of discover",
    "weigh sources",
    "weigh variety",
    "train home",
    "train discover",
    "measure gates",
    "write snapshot",
    "seal and publish",
)
# Every kind of stage, and of each no more than is needed to be killed after it.
ONE_WINDOW = "[training]\nwindows = 1\n"


@pytest.fixture(scope="module")
def doomed() -> Iterator[DoomedRebuilds]:
    with DoomedRebuilds() as rebuilds:
        yield rebuilds


def bytes_of(folder: Path) -> dict[str, str]:
    """sha256 by name of every file below ``folder``."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def debris(root: Path) -> list[str]:
    return sorted(path.name for pattern in (".staging-*", ".trash-*", ".*.new") for path in root.glob(pattern))


def words(root: Path, data: Path, *more: str) -> list[str]:
    return ["rebuild", "--data", str(data), "--snapshots", str(root), "--cache", str(root.parent / "cache"), *more]


def assert_untouched(root: Path, current: str, before: dict[str, str]) -> None:
    """CURRENT and its files are as before, and whatever is listed is whole."""
    store = SnapshotStore(root)
    assert store.current() == current
    assert bytes_of(root / current) == before
    for version in store.versions():
        Snapshot.read(store.open(version)).replay_golden()


def test_a_rebuild_killed_after_any_stage_leaves_what_is_served_alone_and_the_next_one_clean(
    doomed: DoomedRebuilds, index_command: Run, corner_shop: Any, tmp_path: Path
) -> None:
    root, data = tmp_path / "snapshots", corner_shop.write(tmp_path / "data", ONE_WINDOW)
    assert index_command(*words(root, data, "--until", "2025-06-25")).code == 0
    current = SnapshotStore(root).current()
    before = bytes_of(root / current)
    seen: set[str] = set()
    n_left_behind = 0
    for n_stages in range(1, 40):
        told = doomed.killed_after(n_stages, words(root, data, "--fresh"))
        if told[-1].startswith("seal and publish"):
            break
        seen.add(told[-1].partition(" done in ")[0].rstrip("0123456789- "))
        assert_untouched(root, current, before)
        n_left_behind += bool(debris(root))
    assert seen >= set(STAGES[:-1])
    assert n_left_behind > 5, "the kills came after the work was done"
    ran = index_command(*words(root, data, "--reselect"))
    assert ran.code == 0, ran.err
    assert "kept by an earlier build" in ran.err
    assert SnapshotStore(root).current() != current
    assert debris(root) == []
    assert bytes_of(root / current) == before
    # What killed rebuilds have kept is as good as new.
    files = SnapshotStore(root).manifest(SnapshotStore(root).current()).files
    assert index_command(*words(root, data, "--fresh")).code == 0
    afresh = SnapshotStore(root).manifest(SnapshotStore(root).current()).files
    assert {name for name in files if files[name] != afresh[name]} == {"report.json"}


def test_a_rebuild_killed_at_any_change_of_names_leaves_current_old_or_new_and_every_listed_version_whole(
    doomed: DoomedRebuilds, index_command: Run, corner_shop: Any, tmp_path: Path
) -> None:
    root, data = tmp_path / "snapshots", corner_shop.write(tmp_path / "data", ONE_WINDOW)
    assert index_command(*words(root, data, "--until", "2025-06-25")).code == 0
    former = SnapshotStore(root).current()
    before = bytes_of(root / former)
    n_kills = 0
    for n_changes in range(1, 30):
        status, said = doomed.killed_at(n_changes, root, words(root, data))
        if status != -signal.SIGKILL:
            assert status == 0, said
            break
        n_kills += 1
        assert_untouched(root, former, before)
    # At the least: the version gets its name, HISTORY and CURRENT are replaced.
    assert n_kills >= 3
    assert SnapshotStore(root).current() != former
    assert debris(root) == []
    assert index_command("rollback", "--snapshots", root).code == 0
    assert SnapshotStore(root).current() == former


def test_two_rebuilds_at_once_are_refused_and_the_first_goes_on(
    index_command: Run, corner_shop: Any, tmp_path: Path
) -> None:
    root, data = tmp_path / "snapshots", corner_shop.write(tmp_path / "data", ONE_WINDOW)
    with SnapshotStore(root).staging() as staging:
        ran = index_command(*words(root, data))
        assert ran.code == 2
        assert "another rebuild is writing to" in ran.err
        assert staging.is_dir()
    assert index_command(*words(root, data)).code == 0


@pytest.fixture
def copied(world: Any, tmp_path: Path) -> Path:
    """The world's snapshots, to be spoilt."""
    return Path(shutil.copytree(world.snapshots, tmp_path / "snapshots"))


def flip_byte(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x10
    path.write_bytes(raw)


def test_one_flipped_byte_in_any_file_is_refused_by_name(world: Any, copied: Path) -> None:
    store, folder = SnapshotStore(copied), copied / world.version
    names = [name for name, _ in bytes_of(folder).items()]
    assert {"manifest.json", "rankers/home.txt", "indexes/content.faiss", "indexes/als.faiss", "report.json"} <= set(
        names
    )
    for name in names:
        sound = (folder / name).read_bytes()
        if not sound:
            continue  # an empty column has no byte to flip
        flip_byte(folder / name)
        with pytest.raises(SnapshotError) as refused:
            store.open(world.version)
        assert f" {name} " in str(refused.value) or name == "manifest.json", str(refused.value)
        assert world.version in str(refused.value)
        with pytest.raises(SnapshotError):
            store.publish(world.version)
        (folder / name).write_bytes(sound)
    store.open(world.version)


def test_the_check_loads_no_native_library_that_a_crafted_file_could_reach() -> None:
    code = "import recsys.snapshot.store, sys; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert {name.partition(".")[0] for name in out.split()}.isdisjoint({"faiss", "lightgbm"})


def test_a_server_refuses_a_corrupt_newer_snapshot_by_file_and_keeps_serving_the_old_one(
    world: Any, copied: Path, index_command: Run, serve_process: Any, tmp_path: Path
) -> None:
    log = tmp_path / "server.log"
    with serve_process(copied, log) as target, connect(target) as channel:
        stub = RecommendationServiceStub(channel)
        request = RecommendRequest(user_id="user-003", page_size=10)
        good = stub.Recommend(request, timeout=30)
        ran = index_command(
            *("rebuild", "--data", world.data, "--snapshots", copied, "--cache", world.cache, "--no-publish")
        )
        assert ran.code == 0, ran.err
        (newer,) = set(SnapshotStore(copied).versions()) - {world.version}
        flip_byte(copied / newer / "indexes" / "content.faiss")
        (copied / "CURRENT").write_text(f"{newer}\n")
        deadline = time.monotonic() + 60
        n_answers = 0
        while "snapshot refused" not in log.read_text() or n_answers < 20:
            assert time.monotonic() < deadline, log.read_text()
            answer = stub.Recommend(request, timeout=30)
            assert answer.snapshot_version == world.version
            # Scores may follow the clock; who is recommended what does not within a minute.
            assert [r.item_id for r in answer.results] == [r.item_id for r in good.results]
            n_answers += 1
        refusal = next(line for line in log.read_text().splitlines() if "snapshot refused" in line)
        assert newer in refusal
        assert "indexes/content.faiss was altered: its sha256 is not the manifest's" in refusal
        assert "Traceback" not in refusal
