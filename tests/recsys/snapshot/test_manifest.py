from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.errors import SchemaMismatch, SnapshotCorrupt, SnapshotError
from recsys.serving import ServingConfig, built_in
from recsys.snapshot.canonical import canonical
from recsys.snapshot.choices import FusionChoice, SourceChoice
from recsys.snapshot.manifest import MANIFEST, SCHEMA, Manifest, verify_files


def resealed(values: dict[str, Any]) -> bytes:
    """The bytes of a manifest whose version follows from its contents, as somebody who knows how would forge it."""
    facts = {name: value for name, value in values.items() if name != "version"}
    stamp = "20260102T030405Z"
    return canonical(facts | {"version": f"{stamp}-{hashlib.sha256(canonical(facts)).hexdigest()[:12]}"})


def test_a_sealed_manifest_lists_every_file_with_its_size_and_sha256(sealed: Path, facts: dict[str, Any]) -> None:
    manifest = Manifest.read(sealed)
    on_disk = {str(path.relative_to(sealed)) for path in sealed.rglob("*") if path.is_file()}
    assert set(manifest.files) == on_disk - {MANIFEST}
    assert "report.json" in manifest.files
    for name, file in manifest.files.items():
        raw = (sealed / name).read_bytes()
        assert (file.sha256, file.n_bytes) == (hashlib.sha256(raw).hexdigest(), len(raw))
    for name, value in json.loads(json.dumps(facts)).items():
        assert getattr(manifest, name) == (tuple(value) if isinstance(value, list) else value)
    assert manifest.schema == SCHEMA
    assert manifest.to_bytes() == (sealed / MANIFEST).read_bytes()
    verify_files(sealed, manifest)


def test_equal_files_and_facts_give_an_equal_version_and_any_difference_another(
    tmp_path: Path, facts: dict[str, Any], write_files: Callable[[Path], None]
) -> None:
    def version(name: str, extra: str = "", **changed: Any) -> str:
        folder = tmp_path / name
        folder.mkdir()
        write_files(folder)
        if extra:
            (folder / "extra.txt").write_text(extra)
        return Manifest.seal(folder, **(facts | changed)).version

    first = version("a")
    assert first.startswith("20260102T030405Z-")
    assert version("b") == first
    others = [version("c", extra="x"), version("d", extra="y"), version("e", seed=8), version("f", sources=["als"])]
    assert len({first, *others}) == 5


def test_the_stamp_in_the_version_is_utc(sealed: Path, tmp_path: Path, facts: dict[str, Any]) -> None:
    (sealed / MANIFEST).unlink()
    assert Manifest.seal(sealed, **(facts | {"built_at": "2026-01-02T03:04:05Z"})).version[:16] == "20260102T030405Z"
    (sealed / MANIFEST).unlink()
    for not_utc in ("2026-01-02T03:04:05+08:00", "2026-01-02T03:04:05", "yesterday"):
        with pytest.raises(ValueError):
            Manifest.seal(sealed, **(facts | {"built_at": not_utc}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gates", [{"name": "coverage", "value": float("nan"), "limit": 0.1, "passed": False}]),
        ("gates", [{"name": "coverage", "value": 0.2, "passed": True}]),
        ("n_users", -1),
        ("features", ["a", "a"]),
        ("event_window_end", 1),
        ("serving_configs", {"home": ServingConfig("discover", ()).to_json()}),
    ],
)
def test_facts_that_would_not_load_are_not_sealed(sealed: Path, facts: dict[str, Any], field: str, value: Any) -> None:
    (sealed / MANIFEST).unlink()
    with pytest.raises(ValueError):
        Manifest.seal(sealed, **(facts | {field: value}))
    assert not (sealed / MANIFEST).exists()


def test_the_built_in_serving_configs_can_be_sealed(sealed: Path, facts: dict[str, Any]) -> None:
    (sealed / MANIFEST).unlink()
    configs = {name: config.to_json() for name, config in built_in().items()}
    manifest = Manifest.seal(sealed, **(facts | {"serving_configs": configs}))
    assert {name: ServingConfig.from_json(v) for name, v in manifest.serving_configs.items()} == built_in()


def test_a_folder_with_a_link_or_an_odd_name_is_not_sealed(sealed: Path, facts: dict[str, Any]) -> None:
    (sealed / MANIFEST).unlink()
    for odd, make in (("link", lambda path: path.symlink_to("/etc/hosts")), (".hidden", lambda path: path.touch())):
        make(sealed / odd)
        with pytest.raises(ValueError, match=odd):
            Manifest.seal(sealed, **facts)
        (sealed / odd).unlink()


def test_another_schema_is_a_mismatch_whatever_else_that_schema_holds() -> None:
    with pytest.raises(SchemaMismatch, match="schema 5, this program reads schema 2, 3 or 4"):
        Manifest.from_bytes(canonical({"schema": 5, "shards": []}))


def test_a_snapshot_from_before_the_policies_is_refused_by_its_schema(sealed: Path) -> None:
    values = json.loads((sealed / MANIFEST).read_bytes())
    for config in values["serving_configs"].values():
        del config["diversity"], config["spread"]
    with pytest.raises(SchemaMismatch, match="schema 1, this program reads schema 2, 3 or 4"):
        Manifest.from_bytes(canonical(values | {"schema": 1}))
    with pytest.raises(SnapshotCorrupt, match="no valid serving_configs"):
        Manifest.from_bytes(canonical(values))


def test_a_manifest_from_before_the_choices_reads_as_without_any_and_stays_as_it_was_signed(sealed: Path) -> None:
    values = json.loads((sealed / MANIFEST).read_bytes())
    for field in ("source_choices", "fusion_choices", "selected_at"):
        with pytest.raises(SnapshotCorrupt, match="unknown field"):
            Manifest.from_bytes(resealed(values | {"schema": 2}))
        del values[field]
    raw = resealed(values | {"schema": 2})
    manifest = Manifest.from_bytes(raw)
    assert (manifest.source_choices, manifest.fusion_choices, manifest.selected_at) == ((), {}, None)
    assert manifest.to_bytes() == raw
    with pytest.raises(SnapshotCorrupt, match="lacks the field fusion_choices"):
        Manifest.from_bytes(resealed(values | {"schema": 3}))


def test_a_manifest_from_before_the_descriptions_reads_as_without_any_and_stays_as_it_was_signed(sealed: Path) -> None:
    values = json.loads((sealed / MANIFEST).read_bytes())
    raw = resealed(values | {"schema": 3})
    manifest = Manifest.from_bytes(raw)
    assert "description" not in manifest.serving_configs["home"]
    assert manifest.to_bytes() == raw
    values["serving_configs"]["home"]["description"] = "What comes next"
    assert Manifest.from_bytes(resealed(values)).serving_configs["home"]["description"] == "What comes next"
    for odd in ("", 3, None):
        values["serving_configs"]["home"]["description"] = odd
        with pytest.raises(SnapshotCorrupt, match="no valid serving_configs"):
            Manifest.from_bytes(resealed(values))


def test_choices_come_back_as_they_were_sealed(sealed: Path, facts: dict[str, Any]) -> None:
    (sealed / MANIFEST).unlink()
    sources = (SourceChoice("ease", {"all": 0.0125, "novel": -0.001}, 1.25, True, "wins 3 %"),)
    fusions = {"home": FusionChoice("forest (deep)", "it is best")}
    Manifest.seal(sealed, **facts, source_choices=sources, fusion_choices=fusions, selected_at=1_512_363_600)
    manifest = Manifest.read(sealed)
    assert (manifest.source_choices, manifest.fusion_choices) == (sources, fusions)
    assert manifest.selected_at == 1_512_363_600
    assert manifest.to_bytes() == (sealed / MANIFEST).read_bytes()


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a/../b", "a//b", "./a", ".hidden", "a\\b", "", "manifest.json", "a\x00"],
)
def test_a_listed_name_that_leaves_the_folder_is_refused(sealed: Path, name: str) -> None:
    values = json.loads((sealed / MANIFEST).read_bytes())
    values["files"][name] = {"sha256": "0" * 64, "bytes": 1}
    with pytest.raises(SnapshotCorrupt, match=r"files|lists manifest\.json"):
        Manifest.from_bytes(resealed(values))


CHOICE = SourceChoice("ease", {"all": 0.5}, 1.0, True, "it wins").to_json()
WRONG: list[tuple[str, Any]] = [
    ("schema", "1"),
    ("schema", True),
    ("schema", None),
    ("built_at", 5),
    ("built_at", "2026-01-02T03:04:05+01:00"),
    ("event_window_start", 1.5),
    ("event_window_end", 10**18),
    ("seed", None),
    ("config", []),
    ("features", "own_count"),
    ("features", [1]),
    ("packages", {"numpy": 2}),
    ("gates", {}),
    ("gates", [{"name": "n", "value": "high", "limit": 1, "passed": True}]),
    ("gates", [{"name": "n", "value": 1, "limit": 1, "passed": 1}]),
    ("serving_configs", {"home": {}}),
    ("serving_configs", {"home": None}),
    ("n_users", True),
    ("n_items", -1),
    ("n_events", 0.5),
    ("sources", [""]),
    ("source_choices", {}),
    ("source_choices", [{"source": "ease"}]),
    ("source_choices", [CHOICE | {"kept": 1}]),
    ("source_choices", [CHOICE | {"cost_ms": "1"}]),
    ("source_choices", [CHOICE | {"cost_ms": "inf"}]),
    ("source_choices", [CHOICE | {"gains": [1.0]}]),
    ("source_choices", [CHOICE | {"rank": 1}]),
    ("fusion_choices", []),
    ("fusion_choices", {"home": "forest"}),
    ("fusion_choices", {"home": {"fusion": "forest", "why": 1}}),
    ("selected_at", "2026"),
    ("files", []),
    ("files", {"a": {"sha256": "0" * 63, "bytes": 1}}),
    ("files", {"a": {"sha256": "0" * 64, "bytes": -1}}),
    ("files", {"a": {"sha256": "0" * 64}}),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_field_of_the_wrong_type_is_refused_by_name(sealed: Path, field: str, value: Any) -> None:
    values = json.loads((sealed / MANIFEST).read_bytes())
    Manifest.from_bytes(resealed(values))
    with pytest.raises(SnapshotCorrupt, match=field):
        Manifest.from_bytes(resealed(values | {field: value}))


def test_a_missing_or_unknown_field_is_refused_by_name(sealed: Path) -> None:
    values = json.loads((sealed / MANIFEST).read_bytes())
    with pytest.raises(SnapshotCorrupt, match="unknown field 'shards'"):
        Manifest.from_bytes(resealed(values | {"shards": 1}))
    for field in values.keys() - {"version"}:
        with pytest.raises(SnapshotCorrupt, match=f"lacks the field {field}"):
            Manifest.from_bytes(resealed({name: value for name, value in values.items() if name != field}))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"seed": NaN}', b"[" * 200_000, b"1e999"])
def test_what_is_no_manifest_at_all_is_refused(raw: bytes) -> None:
    with pytest.raises(SnapshotCorrupt, match=r"manifest\.json"):
        Manifest.from_bytes(raw)


def test_every_flipped_bit_and_every_truncation_of_a_manifest_is_refused(sealed: Path) -> None:
    raw = (sealed / MANIFEST).read_bytes()
    accepted = []
    for position in range(len(raw)):
        flipped = bytearray(raw)
        flipped[position] ^= 1 << position % 8
        for changed in (bytes(flipped), raw[:position]):
            try:
                Manifest.from_bytes(changed)
            except SnapshotError:
                continue
            accepted.append((position, changed))
    assert accepted == []


def test_the_same_json_in_another_spelling_is_refused(sealed: Path) -> None:
    values = json.loads((sealed / MANIFEST).read_bytes())
    with pytest.raises(SnapshotCorrupt, match="altered"):
        Manifest.from_bytes(json.dumps(values).encode())
