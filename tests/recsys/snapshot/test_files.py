from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.errors import SnapshotCorrupt
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

BAD_NAMES = ["../out", "/etc/passwd", "a/../b", "a//b", ".hidden", "a/.b", "", "a\\b", "a b", "a\x00", "ä", "a/"]


@pytest.mark.parametrize(
    "values",
    [
        np.arange(6, dtype=np.float32).reshape(3, 2),
        np.zeros(0, np.int32),
        np.zeros((0, 64), np.float32),
        np.zeros((3, 0), np.float32),
        np.array([b"a", b"bc"]),
        np.asfortranarray(np.arange(6).reshape(3, 2)),
        np.array(5),
    ],
)
def test_an_array_read_back_is_equal_read_only_and_mapped(tmp_path: Path, values: NDArray[Any]) -> None:
    SnapshotWriter(tmp_path).array("als.factors", values)
    again = SnapshotReader(tmp_path).array("als.factors")
    assert (tmp_path / "arrays" / "als.factors.npy").is_file()
    assert again.dtype == values.dtype
    assert again.shape == values.shape
    assert np.array_equal(again, values)
    assert type(again) is np.ndarray
    assert not again.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        again[...] = values


def test_text_and_json_come_back_as_they_were(tmp_path: Path) -> None:
    out = SnapshotWriter(tmp_path)
    out.text("rankers/home.txt", "tree\r\n牛奶\n")
    out.json("profiles.json", {"b": [1, 2.5, None], "a": "茶"})
    out.path("indexes/content.faiss").write_bytes(b"IxFl")
    src = SnapshotReader(tmp_path)
    assert src.text("rankers/home.txt") == "tree\r\n牛奶\n"
    assert src.json("profiles.json") == {"b": [1, 2.5, None], "a": "茶"}
    assert src.path("indexes/content.faiss").read_bytes() == b"IxFl"
    assert (tmp_path / "profiles.json").read_text().index('"a"') < (tmp_path / "profiles.json").read_text().index('"b"')


def test_has_knows_arrays_and_files_by_the_names_they_were_written_under(tmp_path: Path) -> None:
    out = SnapshotWriter(tmp_path)
    out.array("als.factors", np.arange(3))
    out.text("rankers/home.txt", "tree")
    src = SnapshotReader(tmp_path)
    assert src.has("als.factors")
    assert src.has("rankers/home.txt")
    assert not src.has("rankers")
    assert not src.has("als.items")


def test_python_objects_and_nan_are_not_written(tmp_path: Path) -> None:
    out = SnapshotWriter(tmp_path)
    for values in (np.array(["a", None], dtype=object), np.zeros(2, dtype=[("a", object), ("b", int)])):
        with pytest.raises(ValueError, match="objects"):
            out.array("names", values)
    with pytest.raises(ValueError, match="JSON"):
        out.json("report.json", {"ndcg": float("nan")})
    assert not SnapshotReader(tmp_path).has("names")


def test_a_name_is_written_once(tmp_path: Path) -> None:
    out = SnapshotWriter(tmp_path)
    out.array("a", np.arange(3))
    out.text("a.txt", "one")
    for write in (lambda: out.array("a", np.arange(4)), lambda: out.text("a.txt", "two"), lambda: out.path("a.txt")):
        with pytest.raises(ValueError, match="already"):
            write()
    assert SnapshotReader(tmp_path).text("a.txt") == "one"


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name of a snapshot file"):
        SnapshotWriter(tmp_path).path(name)
    with pytest.raises(ValueError, match="name of a snapshot file"):
        SnapshotReader(tmp_path).path(name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    src = SnapshotReader(tmp_path)
    for name, read in [
        (r"arrays/a\.npy", lambda: src.array("a")),
        (r"a\.txt", lambda: src.text("a.txt")),
        (r"a\.json", lambda: src.json("a.json")),
        (r"a\.faiss", lambda: src.path("a.faiss")),
    ]:
        with pytest.raises(SnapshotCorrupt, match=f"{name} is missing"):
            read()


def test_an_array_file_cut_or_flipped_in_its_header_is_refused_by_name_or_read_as_an_array(tmp_path: Path) -> None:
    SnapshotWriter(tmp_path).array("whole", np.arange(9, dtype=np.float32).reshape(3, 3))
    whole = (tmp_path / "arrays" / "whole.npy").read_bytes()
    src = SnapshotReader(tmp_path)
    outcomes = []
    for position in range(len(whole)):
        (tmp_path / "arrays" / "cut.npy").write_bytes(whole[:position])
        with pytest.raises(SnapshotCorrupt, match=r"arrays/cut\.npy"):
            src.array("cut")
        for bit in (1, 32, 128):
            flipped = bytearray(whole)
            flipped[position] ^= bit
            (tmp_path / "arrays" / "flipped.npy").write_bytes(flipped)
            outcomes.append(outcome(src))
    assert {kind for kind, _ in outcomes} == {"array", "refused"}
    assert all("arrays/flipped.npy" in text for kind, text in outcomes if kind == "refused")


def outcome(src: SnapshotReader) -> tuple[str, str]:
    """What reading the flipped array comes to; any other exception than SnapshotCorrupt fails the test."""
    try:
        return "array", str(src.array("flipped").dtype)
    except SnapshotCorrupt as error:
        return "refused", str(error)


@pytest.mark.parametrize("raw", [b"", b"\x80\x04]\x94.", b"PK\x03\x04" + bytes(50), b"\x93NUMPY\x01\x00"])
def test_what_numpy_would_unpickle_or_unzip_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "arrays").mkdir()
    (tmp_path / "arrays" / "a.npy").write_bytes(raw)
    with pytest.raises(SnapshotCorrupt, match=r"arrays/a\.npy"):
        SnapshotReader(tmp_path).array("a")


def test_garbled_text_and_json_are_refused_by_name(tmp_path: Path) -> None:
    src = SnapshotReader(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(SnapshotCorrupt, match=r"a\.txt"):
        src.text("a.txt")
    for raw in (b"{", b"\xff", b"NaN", b'{"a": Infinity}', b"[" * 100_000):
        (tmp_path / "a.json").write_bytes(raw)
        with pytest.raises(SnapshotCorrupt, match=r"a\.json"):
            src.json("a.json")


def test_a_link_is_not_a_file_of_the_snapshot(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "a.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(SnapshotCorrupt, match=r"a\.txt"):
        SnapshotReader(tmp_path / "snapshot").text("a.txt")
