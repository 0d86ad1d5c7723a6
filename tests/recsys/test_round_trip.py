"""A snapshot written, read back from disk and asked the same questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from recsys.ask import Ask, resolve
from recsys.errors import SchemaMismatch, SnapshotCorrupt
from recsys.fusion import FOREST, RECIPROCAL_RANK, SOURCE, STACKED, Fusion, LinearFusion
from recsys.model import Snapshot
from recsys.ranker import Forest
from recsys.snapshot.canonical import canonical, parsed
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.snapshot.manifest import MANIFEST, Manifest

CONFIGS = ("home", "discover", "buy-again")


@pytest.fixture(scope="module")
def original(board: Snapshot) -> Snapshot:
    """The checkerboard with rankers."""
    rng = np.random.default_rng(4)
    features = rng.normal(size=(400, len(board.feature_names))).astype(np.float32)
    labels = (features[:, 0] + rng.normal(size=400) > 0).astype(np.float32)
    parameters = {"objective": "binary", "verbosity": -1, "num_leaves": 7, "min_data_in_leaf": 5}
    forest = Forest(lgb.train(parameters, lgb.Dataset(features, labels), 10))
    rankers = {"home": forest}
    weights = LinearFusion(("als_rank", "ease_closeness"), (9.0, 0.1), (1.0, 0.3), (1.5, 0.7))
    fusions = {"home": Fusion(STACKED, weights), "discover": Fusion(SOURCE, source="user-knn")}
    return replace(board, rankers=rankers, pipeline=board.model.pipeline(rankers, fusions))


def seal(folder: Path, snapshot: Snapshot, **changed: Any) -> None:
    facts: dict[str, Any] = {
        "built_at": "2017-07-15T00:00:00+00:00",
        "event_window_start": snapshot.last_event_at - 10_000_000,
        "event_window_end": snapshot.last_event_at,
        "seed": 1,
        "config": {},
        "features": snapshot.feature_names,
        "packages": {},
        "gates": [],
        "serving_configs": {name: config.to_json() for name, config in snapshot.configs.items()},
        "n_users": len(snapshot.users),
        "n_items": len(snapshot.catalogue),
        "n_events": len(snapshot.histories.items),
        "sources": list(snapshot.pipeline.sources),
    }
    Manifest.seal(folder, **(facts | changed))


@pytest.fixture
def written(original: Snapshot, tmp_path: Path) -> Path:
    """A folder with all files but the manifest."""
    original.write(SnapshotWriter(tmp_path))
    return tmp_path


@pytest.fixture
def loaded(original: Snapshot, written: Path) -> Snapshot:
    seal(written, original)
    return Snapshot.read(SnapshotReader(written))


def asks(now: int) -> Iterator[Ask]:
    for user_id in ("u00", "u05", "u12", "", "stranger"):
        for config in CONFIGS:
            yield Ask(at=now, user_id=user_id, serving_config=config, limit=12, exclude_item_ids=("i02",))
    yield Ask(at=now, serving_config="similar", context_item_ids=("i01", "i04"))
    yield Ask(at=now - 20 * 86_400, user_id="u03", context_item_ids=("i06",))


def test_a_snapshot_read_back_gives_the_same_answers_to_the_last_bit(
    original: Snapshot, loaded: Snapshot, now: int
) -> None:
    for ask in asks(now):
        before, after = original.recommend(ask), loaded.recommend(ask)
        assert before.slate.items.tolist() == after.slate.items.tolist()
        assert before.slate.scores.tobytes() == after.slate.scores.tobytes()
        assert before.provenance.ranks.tobytes() == after.provenance.ranks.tobytes()
        assert original.answer(ask) == loaded.answer(ask)


def test_a_snapshot_read_back_knows_what_it_was(original: Snapshot, loaded: Snapshot) -> None:
    assert loaded.feature_names == original.feature_names
    assert loaded.configs == original.configs
    assert loaded.last_event_at == original.last_event_at
    assert loaded.version.startswith("20170715T000000Z-")
    assert original.version == ""
    assert list(loaded.pipeline.sources) == list(original.pipeline.sources)
    assert list(loaded.rankers) == ["home"]
    assert loaded.pipeline.fusions == original.pipeline.fusions


def test_arrays_are_mapped_from_the_files_and_not_copied(loaded: Snapshot) -> None:
    factors = loaded.model.factors
    content = loaded.model.content
    assert factors is not None
    assert content is not None
    arrays = (loaded.histories.items, loaded.catalogue.prices, factors.model.factors, content.texts.vectors)
    for array in arrays:
        assert isinstance(array.base, np.memmap)
        assert not array.flags.writeable


def test_golden_questions_cover_known_and_unknown_users_of_every_config(loaded: Snapshot) -> None:
    asked = {(ask.serving_config, bool(ask.user_id)) for ask, _ in loaded.golden}
    assert asked == {(config, known) for config in CONFIGS for known in (True, False)}
    assert {ask for ask, _ in loaded.golden} == set(loaded.golden_asks())
    assert any(items for _, items in loaded.golden)


def test_golden_questions_are_asked_about_the_moment_after_the_last_event(loaded: Snapshot) -> None:
    assert all(resolve(ask, loaded).warnings == () for ask, _ in loaded.golden)


def test_golden_answers_hold_after_loading(loaded: Snapshot) -> None:
    loaded.replay_golden()


def test_a_golden_answer_that_differs_is_refused_by_name(original: Snapshot, written: Path) -> None:
    golden = written / "golden.json"
    entries = parsed(golden.read_bytes())
    last = next(entry for entry in reversed(entries) if len(entry["items"]) > 1)
    last["items"] = last["items"][::-1]
    golden.write_bytes(canonical(entries))
    seal(written, original)
    loaded = Snapshot.read(SnapshotReader(written))
    with pytest.raises(SnapshotCorrupt, match=f"golden query of {last['serving_config']!r}"):
        loaded.replay_golden()


def test_other_factors_than_were_written_are_found_out_by_the_golden_answers(original: Snapshot, written: Path) -> None:
    ranking = written / "arrays" / "popular.ranking.npy"
    values = np.load(ranking)[::-1]
    np.save(ranking, values, allow_pickle=False)
    seal(written, original)
    with pytest.raises(SnapshotCorrupt, match="golden query"):
        Snapshot.read(SnapshotReader(written)).replay_golden()


@pytest.mark.parametrize("change", ["missing", "renamed", "swapped", "more"])
def test_features_other_than_the_codes_are_a_schema_mismatch(original: Snapshot, written: Path, change: str) -> None:
    names = list(original.feature_names)
    features = {
        "missing": names[:-1],
        "renamed": ["another", *names[1:]],
        "swapped": [names[1], names[0], *names[2:]],
        "more": [*names, "one more"],
    }[change]
    seal(written, original, features=features)
    with pytest.raises(SchemaMismatch, match="other features"):
        Snapshot.read(SnapshotReader(written))


@pytest.mark.parametrize(
    ("name", "fusion", "message"),
    [
        ("discover", Fusion(FOREST), "needs a ranker"),
        ("discover", Fusion(SOURCE, source="nowhere"), "'nowhere_rank'"),
        ("home", Fusion(STACKED), "no weights"),
        ("home", Fusion(STACKED, LinearFusion(("gone_rank",), (0.0,), (1.0,), (1.0,))), "'gone_rank'"),
    ],
)
def test_a_fusion_that_lacks_a_part_is_refused_at_load_and_not_by_every_question(
    original: Snapshot, written: Path, name: str, fusion: Fusion, message: str
) -> None:
    values = parsed((written / "fusions.json").read_bytes())
    (written / "fusions.json").write_bytes(canonical(values | {name: fusion.to_json()}))
    seal(written, original)
    with pytest.raises(SnapshotCorrupt, match=message):
        Snapshot.read(SnapshotReader(written))


def test_a_source_that_was_taken_out_is_not_read_back(original: Snapshot, tmp_path: Path, now: int) -> None:
    model = original.model.without({"user-knn", "first", "als"})
    # Only what came later can be taken out.
    assert set(original.pipeline.sources) - set(model.sources) == {"user-knn", "first"}
    lean = replace(original, model=model, rankers={}, pipeline=model.pipeline({}, {"home": Fusion(RECIPROCAL_RANK)}))
    lean.write(SnapshotWriter(tmp_path))
    seal(tmp_path, lean)
    loaded = Snapshot.read(SnapshotReader(tmp_path))
    assert list(loaded.pipeline.sources) == list(model.sources)
    assert "user-knn_closeness" in original.feature_names
    assert "user-knn_closeness" not in loaded.feature_names
    ask = Ask(at=now, user_id="u05")
    assert loaded.recommend(ask).failed_sources == ()
    assert loaded.answer(ask) == lean.answer(ask) != ()


def test_a_ranker_without_a_fusion_of_its_name_scores_alone(original: Snapshot) -> None:
    pipeline = original.model.pipeline(original.rankers, {"discover": Fusion(RECIPROCAL_RANK)})
    assert pipeline.fusions == {"home": Fusion(FOREST), "discover": Fusion(RECIPROCAL_RANK)}


def test_a_file_that_is_gone_is_named(original: Snapshot, written: Path) -> None:
    (written / "rankers" / "home.txt").unlink()
    seal(written, original)
    with pytest.raises(SnapshotCorrupt, match=r"rankers/home\.txt"):
        Snapshot.read(SnapshotReader(written))


def test_golden_queries_that_are_none_are_refused(original: Snapshot, written: Path) -> None:
    (written / "golden.json").write_bytes(canonical([{"at": 1}]))
    seal(written, original)
    with pytest.raises(SnapshotCorrupt, match=r"golden\.json"):
        Snapshot.read(SnapshotReader(written))


def test_without_a_manifest_there_is_no_snapshot(written: Path) -> None:
    with pytest.raises(SnapshotCorrupt, match=MANIFEST):
        Snapshot.read(SnapshotReader(written))


def test_a_catalogue_of_ids_alone_makes_a_snapshot(world: Callable[..., Snapshot], tmp_path: Path, now: int) -> None:
    bare = world([(0, 0, 1), (1, 1, 2)], n_users=2, n_items=3, titles=["", "", ""])
    bare.write(SnapshotWriter(tmp_path))
    seal(tmp_path, bare)
    loaded = Snapshot.read(SnapshotReader(tmp_path))
    loaded.replay_golden()
    assert list(loaded.pipeline.sources) == ["history", "popular"]
    assert loaded.answer(Ask(at=now, user_id="u00")) == bare.answer(Ask(at=now, user_id="u00"))


@pytest.mark.parametrize("n_users", [0, 1])
def test_hardly_any_data_still_answers(world: Callable[..., Snapshot], tmp_path: Path, now: int, n_users: int) -> None:
    tiny = world([(user, 0, 1) for user in range(n_users)], n_users=n_users, n_items=1)
    tiny.write(SnapshotWriter(tmp_path))
    seal(tmp_path, tiny)
    loaded = Snapshot.read(SnapshotReader(tmp_path))
    loaded.replay_golden()
    assert loaded.answer(Ask(at=now, user_id="u00")) == ("i00",)


def test_platforms_come_back_with_the_snapshot(original: Snapshot, tmp_path: Path) -> None:
    codes = np.arange(len(original.histories.items)) % 3 - 1
    model = replace(original.model, context=replace(original.model.context, platforms=("app", "web")))
    told = replace(
        original,
        model=model,
        rankers={},
        histories=replace(original.histories, platforms=codes.astype(np.int8)),
        pipeline=model.pipeline({}),
    )
    told.write(SnapshotWriter(tmp_path))
    seal(tmp_path, told)
    again = Snapshot.read(SnapshotReader(tmp_path))
    assert again.people.platforms == again.model.context.platforms == ("app", "web")
    assert again.histories.platforms is not None
    assert again.histories.platforms.tolist() == codes.tolist()
    again.replay_golden()
