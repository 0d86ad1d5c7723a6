"""The manifest: what a snapshot is and which files make it up, in one canonical JSON document."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from recsys.errors import SchemaMismatch, SnapshotCorrupt
from recsys.snapshot.canonical import canonical, parsed
from recsys.snapshot.checksums import Fingerprint, differences, fingerprints
from recsys.snapshot.choices import FusionChoice, SourceChoice
from recsys.snapshot.rules import broken_rule, fields_of

# 2: serving configs have diversity and spread · 3: choices of sources and fusions, and when they were made · 4: serving
# configs have descriptions
SCHEMA = 4
READABLE = (2, 3, SCHEMA)
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
# Neither can be listed: the manifest cannot hold its own sha256, and the signature is made of the finished manifest.
UNLISTED = (MANIFEST, SIGNATURE)
_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """A snapshot's facts and the fingerprints of all its files.

    version: ``<UTC stamp>-<digest>``, worked out from all else here · built_at: UTC, ISO 8601 · event_window_*: epoch
    seconds of the first and last event · features: names in order · packages: version by name · gates:
    {name, value, limit, passed} each, value and limit a number or None · serving_configs: ``ServingConfig.to_json``
    by name · files: by name relative to the snapshot's folder · source_choices: of every source that was weighed, left
    out or not · fusion_choices: by serving config · selected_at: epoch seconds of the last event that both knew. Before
    schema 3 nothing is known of choices: (), {} and None.
    """

    schema: int
    version: str
    built_at: str
    event_window_start: int
    event_window_end: int
    seed: int
    config: Mapping[str, Any]
    features: tuple[str, ...]
    packages: Mapping[str, str]
    gates: tuple[Mapping[str, Any], ...]
    serving_configs: Mapping[str, Mapping[str, Any]]
    n_users: int
    n_items: int
    n_events: int
    sources: tuple[str, ...]
    files: Mapping[str, Fingerprint]
    source_choices: tuple[SourceChoice, ...] = ()
    fusion_choices: Mapping[str, FusionChoice] = field(default_factory=dict)
    selected_at: int | None = None

    @classmethod
    def seal(
        cls,
        folder: Path,
        *,
        built_at: str,
        event_window_start: int,
        event_window_end: int,
        seed: int,
        config: Mapping[str, Any],
        features: Sequence[str],
        packages: Mapping[str, str],
        gates: Sequence[Mapping[str, Any]],
        serving_configs: Mapping[str, Mapping[str, Any]],
        n_users: int,
        n_items: int,
        n_events: int,
        sources: Sequence[str],
        source_choices: Sequence[SourceChoice] = (),
        fusion_choices: Mapping[str, FusionChoice] = MappingProxyType({}),
        selected_at: int | None = None,
    ) -> Manifest:
        """The manifest of every file in ``folder`` and these facts, written there as manifest.json.

        ValueError on facts that ``from_bytes`` would refuse and on files that a snapshot may not hold.
        """
        facts: dict[str, Any] = {
            "schema": SCHEMA,
            "built_at": built_at,
            "event_window_start": event_window_start,
            "event_window_end": event_window_end,
            "seed": seed,
            "config": dict(config),
            "features": list(features),
            "packages": dict(packages),
            "gates": [dict(gate) for gate in gates],
            "serving_configs": {name: dict(values) for name, values in serving_configs.items()},
            "n_users": n_users,
            "n_items": n_items,
            "n_events": n_events,
            "sources": list(sources),
            "source_choices": [choice.to_json() for choice in source_choices],
            "fusion_choices": {name: choice.to_json() for name, choice in fusion_choices.items()},
            "selected_at": selected_at,
            "files": _files_json(fingerprints(folder, outside=UNLISTED)),
        }
        # Reading back what is about to be written holds both ends to the same rules.
        try:
            raw = canonical(facts | {"version": _version(facts)})
            manifest = cls.from_bytes(raw)
        except SnapshotCorrupt as error:
            raise ValueError(f"these facts make no manifest: {error}") from error
        with open(folder / MANIFEST, "xb") as file:
            file.write(raw)
        return manifest

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of the snapshot in ``folder``; errors as in ``from_bytes``."""
        return cls.from_bytes(read_unlisted(folder, MANIFEST))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Manifest:
        """The manifest whose canonical JSON is ``raw``.

        SchemaMismatch when it was written for another schema; SnapshotCorrupt on anything else than what ``seal``
        writes: a field missing, unknown or of the wrong type, a file name that leaves the folder, other spelling of
        the same JSON, or a version that does not follow from the rest.
        """
        try:
            values = parsed(raw)
            is_canonical = canonical(values) == raw
        except ValueError as error:
            raise SnapshotCorrupt(f"{MANIFEST} is not JSON") from error
        if not isinstance(values, dict):
            raise SnapshotCorrupt(f"{MANIFEST} is not a JSON object")
        # Before all other rules: another schema may well have other fields.
        schema = values.get("schema")
        if type(schema) is int and schema not in READABLE:
            raise SchemaMismatch(f"{MANIFEST} has schema {schema}, this program reads schema {_spelled(READABLE)}")
        if broken := broken_rule(values, UNLISTED):
            raise SnapshotCorrupt(f"{MANIFEST} {broken}")
        if not is_canonical or values["version"] != _version(values):
            raise SnapshotCorrupt(f"{MANIFEST} was altered: its version does not follow from its contents")
        lists = {name: tuple(values[name]) for name in ("features", "gates", "sources")}
        files = {name: Fingerprint(file["sha256"], file["bytes"]) for name, file in values["files"].items()}
        sources = tuple(SourceChoice.from_json(one) for one in values.get("source_choices", ()))
        fusions = {name: FusionChoice.from_json(one) for name, one in values.get("fusion_choices", {}).items()}
        return cls(**(values | lists | {"files": files, "source_choices": sources, "fusion_choices": fusions}))

    def to_bytes(self) -> bytes:
        """The canonical JSON: what is on disk and what is signed."""
        plain: dict[str, Any] = {
            "files": _files_json(self.files),
            "source_choices": [choice.to_json() for choice in self.source_choices],
            "fusion_choices": {name: choice.to_json() for name, choice in self.fusion_choices.items()},
        }
        return canonical({name: plain.get(name, getattr(self, name)) for name in fields_of(self.schema)})


def read_unlisted(folder: Path, name: str) -> bytes:
    """The bytes of ``name``, manifest.json or manifest.sig, which nothing vouches for. SnapshotCorrupt without it."""
    try:
        with open(os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SnapshotCorrupt(f"{name} cannot be read: {error.strerror}") from error
    if len(raw) > _MAX_BYTES:
        raise SnapshotCorrupt(f"{name} must have at most {_MAX_BYTES} bytes")
    return raw


def file_problems(folder: Path, manifest: Manifest) -> list[str]:
    """One sentence for each file in ``folder`` that is not as ``manifest`` lists it; [] when all are."""
    try:
        return differences(folder, manifest.files, outside=UNLISTED)
    except OSError as error:
        return [f"{error.filename or folder} cannot be read: {error.strerror}"]


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Check that ``folder`` holds exactly the listed files, plain, with their sizes and sha256.

    SnapshotCorrupt naming the first that differs, and how many more do.
    """
    problems = file_problems(folder, manifest)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise SnapshotCorrupt(problems[0] + more)


def _version(facts: Mapping[str, Any]) -> str:
    """The version that follows from ``facts``, which may hold one already."""
    built_at = datetime.fromisoformat(facts["built_at"])
    digest = hashlib.sha256(canonical({name: value for name, value in facts.items() if name != "version"}))
    return f"{built_at:%Y%m%dT%H%M%SZ}-{digest.hexdigest()[:12]}"


def _spelled(schemas: Sequence[int]) -> str:
    return f"{', '.join(map(str, schemas[:-1]))} or {schemas[-1]}"


def _files_json(files: Mapping[str, Fingerprint]) -> dict[str, Any]:
    return {name: {"sha256": file.sha256, "bytes": file.n_bytes} for name, file in files.items()}
