"""Free text against the words of items: what finds a product by its name, and needs no encoder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Int32, Int64, frozen
from recsys.grouping import ranges
from recsys.query import EMPTY_HITS, Hits
from recsys.text_column import TextColumn

# How fast a repeated word stops adding, and how much a long text is held against it: the usual values.
SATURATION, LENGTH = 1.2, 0.75
# Chinese characters and Japanese kana: scripts that put no spaces between words.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_RUNS = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")


def words_of(text: str) -> list[str]:
    """The words of ``text`` without differences of case, repeats included.

    A run of Chinese or Japanese characters gives each of them and each pair of neighbours: pairs stand in for words,
    which no space tells apart.
    """
    words: list[str] = []
    for run in _RUNS.findall(text.casefold()):
        if _IS_UNSPACED.match(run):
            words += [*run, *(run[place : place + 2] for place in range(len(run) - 1))]
        else:
            words.append(run)
    return words


@dataclass(frozen=True, slots=True, eq=False)
class WordIndex:
    """BM25 over the distinct texts of n items. Robertson, Zaragoza, "The Probabilistic Relevance Framework", 2009.

    numbers: word -> its number · starts (W+1,) int64: where a word's entries begin in texts (P,) int32 and worths (P,)
    float32, what the word adds to the score of that text · text_of (n,) int32: an item's text. Words are not stemmed.
    """

    numbers: Mapping[str, int]
    starts: Int64
    texts: Int32
    worths: Float32
    text_of: Int32
    n_texts: int

    @classmethod
    def of(cls, columns: Sequence[TextColumn]) -> WordIndex:
        """The index of ``columns``, each a text an item, as one text. ValueError when their lengths differ."""
        if len({len(column) for column in columns}) != 1:
            raise ValueError("columns must be of one length, and at least one")
        joined = map("\n".join, zip(*(column.many(range(len(column))) for column in columns), strict=True))
        rows: dict[str, int] = {}
        text_of = [rows.setdefault(text, len(rows)) for text in joined]
        counts = [Counter(words_of(text)) for text in rows]
        numbers: dict[str, int] = {}
        entries = [
            (numbers.setdefault(word, len(numbers)), text, n)
            for text, count in enumerate(counts)
            for word, n in count.items()
        ]
        word, text, n = np.array(entries, np.int64).reshape(-1, 3).T
        lengths = np.bincount(text, weights=n, minlength=len(rows))
        n_with = np.bincount(word, minlength=len(numbers))
        rarity = np.log1p((len(rows) - n_with + 0.5) / (n_with + 0.5))
        relative = lengths / max(float(lengths.mean()) if len(rows) else 0.0, 1.0)
        worth = rarity[word] * n * (SATURATION + 1) / (n + SATURATION * (1 - LENGTH + LENGTH * relative[text]))
        order = np.lexsort((text, word))
        return cls(
            numbers,
            frozen(np.searchsorted(word[order], np.arange(len(numbers) + 1)), np.int64),
            frozen(text[order], np.int32),
            frozen(worth[order], np.float32),
            frozen(text_of, np.int32),
            len(rows),
        )

    def search(self, text: str, k: int, allowed: Bool) -> Hits:
        """The ``k`` items that say most of the words of ``text``, within ``allowed`` (n,); none that says no word."""
        known = np.array(sorted({self.numbers[word] for word in words_of(text) if word in self.numbers}), np.int64)
        if not len(known) or k <= 0:
            return EMPTY_HITS
        places, _ = ranges(self.starts[known], self.starts[known + 1])
        scores = np.bincount(self.texts[places], weights=self.worths[places], minlength=self.n_texts)
        items = np.flatnonzero(allowed & (scores > 0)[self.text_of]).astype(np.int32)
        return Hits.best_first(items, scores[self.text_of[items]].astype(np.float32), k)
