from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from index import embedding_cache
from index.embed import distinct_texts, embed
from index.embedding_cache import EmbeddingCache
from recsys.arrays import Float32


class Lengths:
    """Encodes a text as its length, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> Float32:
        self.calls.append(list(texts))
        return np.array([[len(text), text.count("a")] for text in texts], np.float32)


TEXTS = ["banana", "tea", "茶", "a fairly long text"]


def test_only_what_is_missing_is_encoded_the_shortest_first(tmp_path: Path) -> None:
    cache, encode = EmbeddingCache(tmp_path), Lengths()
    first, n_first = cache.vectors("m", TEXTS[:2], encode)
    second, n_second = cache.vectors("m", TEXTS, encode)
    assert (n_first, n_second) == (2, 2)
    assert encode.calls == [["tea", "banana"], ["茶", "a fairly long text"]]
    assert first.tolist() == [[6, 3], [3, 1]]
    assert second.tolist() == [[6, 3], [3, 1], [1, 0], [18, 2]]


def test_a_second_run_encodes_nothing_in_whatever_order(tmp_path: Path) -> None:
    EmbeddingCache(tmp_path / "deep" / "folder").vectors("m", TEXTS, Lengths())
    encode = Lengths()
    vectors, n_encoded = EmbeddingCache(tmp_path / "deep" / "folder").vectors("m", TEXTS[::-1], encode)
    assert (n_encoded, encode.calls) == (0, [])
    assert vectors[:, 0].tolist() == [18, 1, 3, 6]
    assert vectors.dtype == np.float32


def test_another_model_shares_nothing(tmp_path: Path) -> None:
    cache, encode = EmbeddingCache(tmp_path), Lengths()
    cache.vectors("m", TEXTS, encode)
    assert cache.vectors("n", TEXTS, encode)[1] == len(TEXTS)


def test_what_was_encoded_before_a_crash_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_cache, "SEGMENT_TEXTS", 2)
    working = Lengths()

    def crashing(texts: Sequence[str]) -> Float32:
        if working.calls:
            raise RuntimeError("killed")
        return working(texts)

    with pytest.raises(RuntimeError, match="killed"):
        EmbeddingCache(tmp_path).vectors("m", TEXTS, crashing)
    encode = Lengths()
    vectors, n_encoded = EmbeddingCache(tmp_path).vectors("m", TEXTS, encode)
    assert n_encoded == 2
    assert encode.calls == [["banana", "a fairly long text"]]
    assert vectors[:, 0].tolist() == [6, 3, 1, 18]


@pytest.mark.parametrize("damage", ["vectors gone", "keys cut", "vectors cut"])
def test_a_damaged_segment_is_encoded_again(tmp_path: Path, damage: str) -> None:
    EmbeddingCache(tmp_path).vectors("m", TEXTS, Lengths())
    (keys,), (vectors,) = tmp_path.glob("*.keys.npy"), tmp_path.glob("*.vectors.npy")
    if damage == "vectors gone":
        vectors.unlink()
    else:
        file = keys if damage == "keys cut" else vectors
        file.write_bytes(file.read_bytes()[:-5])
    found, n_encoded = EmbeddingCache(tmp_path).vectors("m", TEXTS, Lengths())
    assert n_encoded == len(TEXTS)
    assert found[:, 0].tolist() == [6, 3, 1, 18]


def test_half_written_files_are_not_segments(tmp_path: Path) -> None:
    (tmp_path / "tmpabc.part").write_bytes(b"half")
    assert EmbeddingCache(tmp_path).vectors("m", TEXTS, Lengths())[1] == len(TEXTS)


def test_progress_counts_known_and_new_texts(tmp_path: Path) -> None:
    cache, told = EmbeddingCache(tmp_path), [0]
    cache.vectors("m", TEXTS[:3], Lengths())
    cache.vectors("m", TEXTS, Lengths(), lambda n: told.append(n))
    assert told == [0, 3, 1]


def test_each_text_is_embedded_once_and_an_empty_one_never() -> None:
    distinct, text_of = distinct_texts(["tea", "", "milk", "tea", ""])
    assert distinct == ["tea", "milk"]
    assert text_of.tolist() == [0, -1, 1, 0, -1]


def test_a_catalogue_without_text_needs_no_model(tmp_path: Path) -> None:
    found = embed(["", ""], model="there is no such model", batch_size=8, cache=tmp_path)
    assert found.vectors is None
    assert found.text_of.tolist() == [-1, -1]
    assert found.n_encoded == 0


def test_a_catalogue_known_to_the_cache_needs_no_model(tmp_path: Path) -> None:
    EmbeddingCache(tmp_path).vectors("there is no such model", ["tea", "milk"], Lengths())
    found = embed(["milk", "", "tea", "milk"], model="there is no such model", batch_size=8, cache=tmp_path)
    assert found.vectors is not None
    assert found.vectors[found.text_of[[0, 2, 3]], 0].tolist() == [4, 3, 4]
    assert found.n_encoded == 0
