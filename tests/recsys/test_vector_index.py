from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pytest

from recsys import vector_index
from recsys.arrays import Float32
from recsys.errors import SnapshotCorrupt
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.vector_index import TARGET_RECALL, VectorIndex, exact_search

N, WIDTH, K = 6_000, 16, 50
SCANNED = 200


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_index, "SCANNED_ROWS", SCANNED)


@pytest.fixture(scope="module")
def vectors() -> Float32:
    """Clustered, as items are: without clusters an inverted file has nothing to gain."""
    rng = np.random.default_rng(6)
    centres = rng.normal(size=(60, WIDTH))
    return (centres[rng.integers(60, size=N)] + 0.4 * rng.normal(size=(N, WIDTH))).astype(np.float32)


@pytest.fixture(scope="module")
def queries(vectors: Float32) -> Float32:
    rng = np.random.default_rng(7)
    return vectors[rng.integers(N, size=64)] + 0.2 * rng.normal(size=(64, WIDTH)).astype(np.float32)


def built(vectors: Float32, queries: Float32, kind: str) -> VectorIndex:
    with pytest.MonkeyPatch.context() as patch:
        if kind == "ivf":
            patch.setattr(vector_index, "EXACT_BELOW", 1_000)
            patch.setattr(vector_index, "SCANNED_ROWS", SCANNED)
        return VectorIndex.build(vectors, sample=queries[:32], seed=3, k=K)


@pytest.fixture(scope="module", params=["flat", "ivf"])
def index(request: pytest.FixtureRequest, vectors: Float32, queries: Float32) -> VectorIndex:
    return built(vectors, queries, request.param)


def recall(index: VectorIndex, vectors: Float32, queries: Float32) -> float:
    found = [np.intersect1d(index.search(q, K)[0], exact_search(vectors, q, K)) for q in queries]
    return sum(map(len, found)) / (K * len(queries))


def test_a_small_table_is_scanned_and_a_large_one_is_not(vectors: Float32, queries: Float32) -> None:
    assert built(vectors, queries, "flat").n_probe == 0
    ivf = built(vectors, queries, "ivf")
    # Fewer cells than there are, or it would be a scan in disguise.
    assert 0 < ivf.n_probe < ivf.index.nlist


def test_the_flat_index_is_exact(vectors: Float32, queries: Float32) -> None:
    assert recall(built(vectors, queries, "flat"), vectors, queries) == 1.0


def test_the_inverted_file_reaches_its_recall_on_queries_it_was_not_tuned_on(
    vectors: Float32, queries: Float32
) -> None:
    assert recall(built(vectors, queries, "ivf"), vectors, queries[32:]) >= TARGET_RECALL - 0.02


def test_scores_are_inner_products_best_first(index: VectorIndex, vectors: Float32, queries: Float32) -> None:
    rows, scores = index.search(queries[0], K)
    assert (rows.dtype, scores.dtype) == (np.int32, np.float32)
    np.testing.assert_allclose(scores, vectors[rows] @ queries[0], rtol=1e-4)
    assert (np.diff(scores) <= 0).all()
    assert (index.n_rows, index.width) == (N, WIDTH)


@pytest.mark.parametrize("share", [0.5, 0.02])
def test_only_allowed_rows_are_found(index: VectorIndex, queries: Float32, share: float) -> None:
    allowed = np.random.default_rng(8).random(N) < share
    for query in queries[:8]:
        rows = index.search(query, K, allowed)[0]
        assert len(rows)
        assert len(np.unique(rows)) == len(rows)
        assert allowed[rows].all()


def test_a_scan_under_a_mask_is_exact(vectors: Float32, queries: Float32) -> None:
    allowed = np.random.default_rng(9).random(N) < 0.1
    flat = built(vectors, queries, "flat")
    for query in queries[:8]:
        expected = exact_search(vectors, query, K, allowed)
        assert flat.search(query, K, allowed)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("share", [0.6, 0.3, 0.1, 0.04, 0.02, 0.002])
def test_what_is_found_under_a_mask_is_as_good_and_as_many(
    index: VectorIndex, vectors: Float32, queries: Float32, share: float
) -> None:
    allowed = np.random.default_rng(10).random(N) < share
    n_expected = n_found = 0
    for query in queries[32:]:
        rows, scores = index.search(query, K, allowed)
        expected = exact_search(vectors, query, K, allowed)
        assert len(rows) == len(expected) == min(K, int(allowed.sum()))
        assert allowed[rows].all()
        np.testing.assert_allclose(scores, vectors[rows] @ query, rtol=1e-4, atol=1e-5)
        assert (np.diff(scores) <= 0).all()
        n_found += len(np.intersect1d(rows, expected))
        n_expected += len(expected)
    assert n_found >= (TARGET_RECALL - 0.02) * n_expected


def test_few_allowed_rows_are_all_looked_at(vectors: Float32, queries: Float32) -> None:
    allowed = np.random.default_rng(11).random(N) < SCANNED / N / 2
    ivf = built(vectors, queries, "ivf")
    for query in queries[:8]:
        assert ivf.search(query, K, allowed)[0].tolist() == exact_search(vectors, query, K, allowed).tolist()


@pytest.mark.parametrize("share", [0.3, 0.05])
def test_a_page_is_full_even_when_what_is_allowed_lies_elsewhere(
    vectors: Float32, queries: Float32, share: float
) -> None:
    ivf = built(vectors, queries, "ivf")
    for query in queries[:8]:
        scores = vectors @ query
        allowed = scores <= np.quantile(scores, share)
        assert len(ivf.search(query, K, allowed)[0]) == K


def test_threads_that_scan_first_wait_for_the_map_of_rows(vectors: Float32, queries: Float32) -> None:
    allowed = np.random.default_rng(12).random(N) < SCANNED / N / 2
    ivf = built(vectors, queries, "ivf")
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda query: ivf.search(query, K, allowed)[0].tolist(), queries[:32]))
    assert found == [exact_search(vectors, query, K, allowed).tolist() for query in queries[:32]]


def test_an_index_of_before_there_were_filters_answers_as_it_did(
    vectors: Float32, queries: Float32, tmp_path: Path
) -> None:
    """Its snapshot's golden queries were answered with the same cells under any mask."""
    ivf = built(vectors, queries, "ivf")
    ivf.write(SnapshotWriter(tmp_path), "things")
    facts = tmp_path / "indexes/things.json"
    facts.write_text(json.dumps({k: v for k, v in json.loads(facts.read_text()).items() if k != "masked"}))
    old = VectorIndex.read(SnapshotReader(tmp_path), "things")
    allowed = np.random.default_rng(13).random(N) < 0.1
    bits = np.packbits(allowed, bitorder="little")
    selector = faiss.IDSelectorBitmap(bits)
    parameters = faiss.SearchParametersIVF(sel=selector, nprobe=old.n_probe)
    differs = False
    for query in queries[32:]:
        rows = old.index.search(query.reshape(1, -1), 10, params=parameters)[1][0]
        expected = rows[rows >= 0].tolist()
        assert old.search(query, 10, allowed)[0].tolist() == expected
        differs |= ivf.search(query, 10, allowed)[0].tolist() != expected
    assert differs


def test_padding_never_comes_through(index: VectorIndex, queries: Float32) -> None:
    only = np.arange(N) == 17
    assert index.search(queries[0], K, np.zeros(N, bool))[0].tolist() == []
    assert set(index.search(queries[0], K, only)[0].tolist()) <= {17}
    assert len(index.search(queries[0], 0)[0]) == 0


def test_more_than_all_rows_are_all_rows() -> None:
    three = VectorIndex.build(np.eye(3, dtype=np.float32), sample=np.eye(3, dtype=np.float32), seed=0)
    assert three.search(np.array([3.0, 1.0, 2.0], np.float32), 10)[0].tolist() == [0, 2, 1]
    assert exact_search(np.eye(3, dtype=np.float32), np.ones(3, np.float32), 10).tolist() == [0, 1, 2]


def test_building_again_finds_the_same(vectors: Float32, queries: Float32) -> None:
    first, second = built(vectors, queries, "ivf"), built(vectors, queries, "ivf")
    assert first.n_probe == second.n_probe
    for query in queries[:8]:
        assert first.search(query, K)[0].tolist() == second.search(query, K)[0].tolist()


def test_searches_from_several_threads_do_not_disturb_one_another(index: VectorIndex, queries: Float32) -> None:
    masks = [np.arange(N) % 3 == part for part in range(3)]
    asked = [(query, masks[i % 3]) for i, query in enumerate(queries)]
    alone = [index.search(query, K, mask)[0].tolist() for query, mask in asked]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda ask: index.search(ask[0], K, ask[1])[0].tolist(), asked))
    assert together == alone


def test_a_stored_index_answers_as_it_did(index: VectorIndex, queries: Float32, tmp_path: Path) -> None:
    index.write(SnapshotWriter(tmp_path), "things")
    again = VectorIndex.read(SnapshotReader(tmp_path), "things")
    assert (again.n_rows, again.width, again.n_probe) == (index.n_rows, index.width, index.n_probe)
    assert again.masked == index.masked
    allowed = np.arange(N) % 2 == 0
    for query in queries[:8]:
        for mask in (None, allowed):
            before, after = index.search(query, K, mask), again.search(query, K, mask)
            assert before[0].tolist() == after[0].tolist()
            assert before[1].tobytes() == after[1].tobytes()


@pytest.mark.parametrize("damage", ["emptied", "cut", "garbled"])
def test_a_file_that_is_no_index_is_refused(index: VectorIndex, tmp_path: Path, damage: str) -> None:
    index.write(SnapshotWriter(tmp_path), "things")
    file = tmp_path / "indexes" / "things.faiss"
    raw = file.read_bytes()
    file.write_bytes({"emptied": b"", "cut": raw[:20], "garbled": b"what is this?" + raw[13:]}[damage])
    with pytest.raises(SnapshotCorrupt, match=r"things\.faiss"):
        VectorIndex.read(SnapshotReader(tmp_path), "things")


def test_an_index_of_other_vectors_than_were_written_is_refused(tmp_path: Path) -> None:
    for folder, n in (("a", 3), ("b", 5)):
        eye = np.eye(n, dtype=np.float32)
        (tmp_path / folder).mkdir()
        VectorIndex.build(eye, sample=eye, seed=0).write(SnapshotWriter(tmp_path / folder), "things")
    (tmp_path / "b/indexes/things.faiss").replace(tmp_path / "a/indexes/things.faiss")
    with pytest.raises(SnapshotCorrupt, match="5 rows of 5"):
        VectorIndex.read(SnapshotReader(tmp_path / "a"), "things")
