"""Free text against the words of items: what finds a product by its name, and needs no encoder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from recsys.arrays import Bool, Float32, Int32, Int64, frozen
from recsys.errors import SnapshotCorrupt
from recsys.grouping import ranges
from recsys.ids import IdMap
from recsys.query import EMPTY_HITS, Hits
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

# How fast a repeated word stops adding, and how much a long text is held against it: the usual values.
SATURATION, LENGTH = 1.2, 0.75
# What is longer is no word that anybody types, and one such would make every other take its room.
LONGEST_WORD = 40
# Chinese characters and Japanese kana: scripts that put no spaces between words.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_RUNS = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")


def words_of(text: str) -> list[str]:
    """The distinct words of ``text`` without differences of case and width, in the order in which they come first.

    A run of Chinese or Japanese characters gives each of them and each pair of neighbours: pairs stand in for words,
    which no space tells apart.
    """
    words: list[str] = []
    for run in _RUNS.findall(unicodedata.normalize("NFKC", text).casefold()):
        if _IS_UNSPACED.match(run):
            words += [*run, *(run[place : place + 2] for place in range(len(run) - 1))]
        elif len(run) <= LONGEST_WORD:
            words.append(run)
    return list(dict.fromkeys(words))


@lru_cache(maxsize=65_536)
def _remembered(text: str) -> tuple[str, ...]:
    """``words_of`` a text that is indexed again and again, whenever another one comes beside it."""
    return tuple(words_of(text))


@dataclass(frozen=True, slots=True, eq=False)
class WordIndex:
    """BM25 over the distinct texts of n items. Robertson, Zaragoza, "The Probabilistic Relevance Framework", 2009.

    A word counts once a text: a title that repeats itself is no more about it. Words are not stemmed.

    words: all W of them · starts (W+1,) int64: where a word's entries begin in texts (P,) int32 and worths (P,)
    float32, what the word adds to the score of that text · text_of (n,) int32: an item's text, -1 without.
    """

    words: IdMap
    starts: Int64
    texts: Int32
    worths: Float32
    text_of: Int32

    @property
    def n_texts(self) -> int:
        """How many distinct texts there are."""
        return 1 + int(self.text_of.max(initial=-1))

    @classmethod
    def of(cls, texts: Sequence[str], *, beside: WordIndex | None = None) -> WordIndex:
        """The index of ``texts``, one an item, "" where nothing is known.

        beside: another one whose hits stand beside those of this: rarity and length are judged as if it held both.
        """
        rows: dict[str, int] = {}
        text_of = [rows.setdefault(text, len(rows)) if text else -1 for text in texts]
        said = [words_of(text) if beside is None else _remembered(text) for text in rows]
        words = IdMap.of({word for some in said for word in some})
        lengths = np.array([len(some) for some in said], np.int64)
        word = words.numbers([word for some in said for word in some])
        text = np.repeat(np.arange(len(rows)), lengths)
        n_with, n_texts = np.bincount(word, minlength=len(words)), len(rows)
        n_words = int(lengths.sum())
        if beside is not None:
            n_with = n_with + beside.n_with(words.ids(range(len(words))))
            n_texts, n_words = n_texts + beside.n_texts, n_words + len(beside.texts)
        rarity = np.log1p((n_texts - n_with + 0.5) / (n_with + 0.5))
        relative = lengths / max(n_words / n_texts if n_texts else 0.0, 1.0)
        worth = rarity[word] * (SATURATION + 1) / (1 + SATURATION * (1 - LENGTH + LENGTH * relative[text]))
        order = np.lexsort((text, word))
        return cls(
            words,
            frozen(np.searchsorted(word[order], np.arange(len(words) + 1)), np.int64),
            frozen(text[order], np.int32),
            frozen(worth[order], np.float32),
            frozen(text_of, np.int32),
        )

    def n_with(self, words: Sequence[str]) -> Int64:
        """(m,) how many texts say each of ``words`` (m,)."""
        numbers = self.words.numbers(words).astype(np.int64)
        counts: Int64 = np.where(numbers >= 0, self.starts[numbers + 1] - self.starts[numbers], 0)
        return counts

    def search(self, text: str, k: int, allowed: Bool) -> Hits:
        """The ``k`` items that say most of the words of ``text``, within ``allowed`` (n,); none that says no word."""
        known = self.words.numbers(words_of(text))
        known = np.sort(known[known >= 0]).astype(np.int64)
        if not len(known) or k <= 0:
            return EMPTY_HITS
        places, _ = ranges(self.starts[known], self.starts[known + 1])
        # One place more than there are texts: that of the items without one, whose text is -1.
        scores = np.bincount(self.texts[places], weights=self.worths[places], minlength=self.n_texts + 1)
        items = np.flatnonzero(allowed & (scores > 0)[self.text_of]).astype(np.int32)
        return Hits.best_first(items, scores[self.text_of[items]].astype(np.float32), k)

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``words.*`` arrays."""
        self.words.write(out, "words.words")
        for name in ("starts", "texts", "worths", "text_of"):
            out.array(f"words.{name}", getattr(self, name))

    @classmethod
    def read(cls, src: SnapshotReader) -> WordIndex:
        """The index that ``write`` stored, memory-mapped. SnapshotCorrupt when its arrays do not fit together."""
        words = IdMap.read(src, "words.words")
        starts, texts, worths, text_of = (
            src.array(f"words.{name}") for name in ("starts", "texts", "worths", "text_of")
        )
        if len(starts) != len(words) + 1 or starts[0] != 0 or not starts[-1] == len(texts) == len(worths):
            raise SnapshotCorrupt(f"snapshot {src.version}: the arrays words.* do not fit together")
        return cls(words, starts, texts, worths, text_of)
