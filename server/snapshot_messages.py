"""Snapshots and serving configs as they travel."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1 import snapshot_service_pb2 as pb
from recsys.errors import NoSnapshot, NotFound, SchemaMismatch, SnapshotCorrupt
from recsys.fusion import RECIPROCAL_RANK
from recsys.model import Snapshot
from recsys.serving import Scope, ServingConfig
from recsys.snapshot.store import SnapshotStore

SCOPES = {Scope.ANY: pb.SCOPE_ANY, Scope.NEW: pb.SCOPE_NEW, Scope.OWNED: pb.SCOPE_OWNED}


def current_of(store: SnapshotStore) -> str:
    """The version that CURRENT names; "" when it names none."""
    try:
        return store.current()
    except (NoSnapshot, SnapshotCorrupt):
        return ""


def snapshot_message(store: SnapshotStore, version: str, *, is_current: bool) -> pb.Snapshot | None:
    """What the manifest of ``version`` says, and whether it can be read; None when it was deleted meanwhile."""
    message = pb.Snapshot(snapshot_version=version, is_current=is_current)
    try:
        message.is_signed = store.signature(version) is not None
        manifest = store.manifest(version)
    except NotFound:
        return None
    except SchemaMismatch:
        message.state = pb.SNAPSHOT_STATE_SCHEMA_MISMATCH
        return message
    except SnapshotCorrupt:
        message.state = pb.SNAPSHOT_STATE_CORRUPT
        return message
    message.state = pb.SNAPSHOT_STATE_READABLE
    message.built_at.CopyFrom(timestamp(manifest.built_at))
    message.event_window_start.seconds = manifest.event_window_start
    message.event_window_end.seconds = manifest.event_window_end
    message.n_users, message.n_items = manifest.n_users, manifest.n_items
    message.gates.extend(pb.Gate(**gate) for gate in manifest.gates)
    message.gates_passed = all(gate["passed"] for gate in manifest.gates)
    return message


def config_message(config: ServingConfig, snapshot: Snapshot) -> pb.ServingConfig:
    """A serving config as ``snapshot`` answers by it: without the sources it lacks, ordered as it orders."""
    fusion = snapshot.pipeline.fusions.get(config.ranker)
    return pb.ServingConfig(
        name=config.name,
        description=config.description,
        sources=[
            pb.SourceDepth(source=depth.source, depth=depth.k, scope=SCOPES[depth.scope])
            for depth in config.depths
            if depth.source in snapshot.pipeline.sources
        ],
        scope=SCOPES[config.scope],
        ranker=config.ranker,
        fusion=RECIPROCAL_RANK if fusion is None else fusion.label,
        page_size=config.page_size,
        diversity=config.diversity,
        spread=config.spread,
        needs_context=config.needs_context,
        needs_query=config.needs_query,
        relevance=config.relevance,
        policies=config.active,
        freshness=None if config.freshness is None else pb.Freshness(**asdict(config.freshness)),
        caps=None if config.caps is None else pb.Caps(**asdict(config.caps)),
        promotions=[pb.Promotion(**asdict(promotion)) for promotion in config.promotions],
        filter=config.filter,
        exploration=None if config.exploration is None else pb.Exploration(**asdict(config.exploration)),
    )


def timestamp(iso: str) -> Timestamp:
    """An ISO 8601 time; naive is UTC."""
    time = datetime.fromisoformat(iso)
    stamp = Timestamp()
    stamp.FromDatetime((time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC))
    return stamp
