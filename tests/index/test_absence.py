"""verify --absent: proof that a snapshot knows nothing of a user, and the place where it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.absence import Absence, Looked
from recsys.errors import SnapshotCorrupt
from recsys.ids import IdMap
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.snapshot.store import SnapshotStore

Run = Callable[..., Any]


@pytest.fixture
def out(tmp_path: Path) -> SnapshotWriter:
    return SnapshotWriter(tmp_path / "v1")


def small(out: SnapshotWriter, users: list[str], items: list[str], n_rows: int | None = None) -> None:
    """Two interactions of every user, no golden queries."""
    IdMap.of(users).write(out, "users.ids")
    IdMap.of(items).write(out, "items.ids")
    n_users = len(users) if n_rows is None else n_rows
    out.array("histories.starts", np.arange(n_users + 1) * 2)
    out.array("profiles.values", np.full((n_users, 1), np.nan, np.float32))


def look(folder: Path, *user_ids: str) -> list[Looked]:
    names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    return Absence(SnapshotReader(folder), names).of(user_ids)


def test_a_user_is_found_in_every_place_that_users_have(index_command: Run, world: Any) -> None:
    reader = SnapshotStore(world.snapshots).open(world.version)
    named = next(entry["user_id"] for entry in reader.json("golden.json") if entry["user_id"])
    ran = index_command("verify", "--snapshots", world.snapshots, "--absent", named)
    assert ran.code == 3
    first = ran.out.splitlines()[1]
    assert first.startswith(f"{world.version}: user {named!r} is present: ")
    for place in (
        "golden.json (",
        "arrays/users.ids.npy (number",
        "arrays/histories (of",
        "arrays/profiles.values.npy",
    ):
        assert place in first


def test_a_stranger_is_absent_and_the_files_are_told(index_command: Run, world: Any) -> None:
    ran = index_command("verify", "--snapshots", world.snapshots, world.version, "--absent", "somebody-else")
    assert ran.code == 0
    assert ran.out.splitlines()[1] == f"{world.version}: no trace of user 'somebody-else'"
    assert "ids, histories and profiles of 120 users" in ran.out
    assert "looked at " in ran.out


def test_a_part_of_an_id_is_not_the_id(index_command: Run, world: Any) -> None:
    """user-00 and ser-000 stand in user-000; Brand is a word of the catalogue's."""
    for part in ("user-00", "ser-000", "user-0000"):
        assert index_command("verify", "--snapshots", world.snapshots, "--absent", part).code == 0


def test_a_file_names_many(index_command: Run, world: Any, tmp_path: Path) -> None:
    (tmp_path / "gone.txt").write_text("\ufeffnobody-1\nuser-000\n\nnobody-2\r\nuser-000\n", encoding="utf-8")
    ran = index_command("verify", "--snapshots", world.snapshots, "--absent", f"@{tmp_path / 'gone.txt'}")
    assert ran.code == 3
    assert ran.out.splitlines()[2] == f"{world.version}: no trace of 2 of 3 users"
    (tmp_path / "gone.txt").write_text("\n")
    assert index_command("verify", "--snapshots", world.snapshots, "--absent", f"@{tmp_path / 'gone.txt'}").code == 2
    assert index_command("verify", "--snapshots", world.snapshots, "--absent", f"@{tmp_path / 'none'}").code == 2


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        ("report.json", lambda out: out.json("report.json", {"examples": ["a", "eve-2024"]})),
        ("labels.json", lambda out: out.json("labels.json", {"eve-2024": 1})),
        ("notes.json", lambda out: out.json("notes.json", {"note": "seen: eve-2024, twice"})),
        ("rankers/home.txt", lambda out: out.text("rankers/home.txt", "tree\nname=eve-2024\n")),
        ("arrays/other.npy", lambda out: out.array("other", np.array([b"eve-2024", b"adam-1999"]))),
        ("arrays/blob.npy", lambda out: out.array("blob", np.frombuffer(b"xxeve-2024xx", np.uint8))),
    ],
)
def test_an_id_is_found_wherever_else_it_stands(
    out: SnapshotWriter, tmp_path: Path, name: str, plant: Callable[[SnapshotWriter], None]
) -> None:
    small(out, ["adam-1999"], ["i1"])
    assert look(tmp_path / "v1", "eve-2024")[0].places == ()
    plant(out)
    assert look(tmp_path / "v1", "eve-2024")[0].places == (name,)


def test_text_that_only_contains_the_id_is_not_the_user(out: SnapshotWriter, tmp_path: Path) -> None:
    small(out, ["adam-1999"], ["i1"])
    out.json("report.json", {"note": "eve-20240 and steve-2024", "eve-2024.de": 1})
    assert look(tmp_path / "v1", "eve-2024")[0].places == ()


def test_short_ids_and_numbers_are_looked_for_where_users_are(out: SnapshotWriter, tmp_path: Path) -> None:
    """A snapshot is full of 7s; a 7 that names a user is another matter."""
    small(out, ["10000001"], ["7", "1234567", "shared-id"])
    out.json("report.json", {"count": 7, "text": "7", "year": "1234567", "brand": "shared-id"})
    found = look(tmp_path / "v1", "7", "1234567", "shared-id", "10000001")
    assert [one.as_bytes for one in found] == [False] * 4
    assert [bool(one.places) for one in found] == [False, False, False, True]
    out.json("golden.json", [{"user_id": "7", "items": ["1234567"]}])
    found = look(tmp_path / "v1", "7", "1234567")
    assert [one.places for one in found] == [("golden.json (1 times as a user)",), ()]


def test_a_row_that_is_nobodys_is_damage(out: SnapshotWriter, tmp_path: Path) -> None:
    small(out, ["adam-1999"], ["i1"], n_rows=2)
    with pytest.raises(SnapshotCorrupt, match="histories has 2 rows for 1 users"):
        look(tmp_path / "v1", "eve-2024")
