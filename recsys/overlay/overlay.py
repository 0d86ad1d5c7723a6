"""A snapshot with the catalogue of now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Float32, Int32, frozen
from recsys.catalogue import Catalogue
from recsys.context import Context
from recsys.features.assemble import families_of
from recsys.grown import grown
from recsys.model import Model, Snapshot
from recsys.overlay.changes import Changes
from recsys.overlay.columns import ChangedTexts, GrownIds
from recsys.overlay.families import CodeFamilies
from recsys.overlay.filters import ChangedFilters
from recsys.overlay.labels import BRAND
from recsys.overlay.rows import Row
from recsys.overlay.sources import Newcomers, factors, family_of, over, popular
from recsys.overlay.texts import with_texts
from recsys.overlay.words import GrownWords
from recsys.sources.content import Content
from recsys.stores.records import LiveItem
from recsys.text_column import TextColumn
from recsys.text_vectors import TextVectors

AFFINITY = "affinity"


@dataclass(frozen=True, slots=True)
class Overlay:
    """snapshot: what answers now · waiting: texts by digest that have no vector yet: their items are found by words,
    category and brand alone, or near the text that they had before · changes: what was laid over, None for nothing.
    """

    snapshot: Snapshot
    waiting: Mapping[str, str] = field(default_factory=dict)
    changes: Changes | None = None


class Basis:
    """A snapshot, ready to have changes laid over it; what that takes is worked out once, when it is needed first."""

    def __init__(self, snapshot: Snapshot, like: Basis | None = None) -> None:
        """like: of a snapshot with the same catalogue, whose work is used again."""
        self.snapshot = snapshot
        self._code_families: CodeFamilies = CodeFamilies(snapshot, None if like is None else like._code_families)
        self._rows: dict[str, Row] = {} if like is None else like._rows

    def over(
        self, items: Sequence[LiveItem], vectors: Mapping[str, Float32], before: Snapshot | None = None
    ) -> Overlay:
        """The snapshot with ``items``, all that were ever changed, as they are now.

        vectors: of texts, by ``text_digest``; those of another width are of no use · before: the result of another
        call, of which this may use parts again. The same items and vectors give the same answers, in any process.

        Tables that are memory-mapped, vectors, factors and indexes among them, are not copied. What is, in bytes an
        item of the catalogue: 13 for price, stock and date, 8 for the source ``affinity``, where a known item has
        another text 4, another category or brand 4 to 12 a code family, and where a new one was taken 8 a code family
        and 8 for each source of what is popular.
        """
        base = self.snapshot
        changes = Changes.of(base, items, self._rows)
        if not len(changes):
            return Overlay(base)
        arrivals = self._arrivals(changes)
        context, old = self._context(changes, arrivals), base.model
        content, waiting = self._content(changes, vectors)
        new = self._newcomers(changes, context.catalogue, arrivals)
        of_factors = None if old.factors is None else factors(old.factors, new)
        context = replace(
            context,
            factors=None if of_factors is None else of_factors.model,
            texts=None if content is None else content.texts,
        )
        more = tuple(over(source, new) for source in old.more)
        model = Model(context, popular(old.popular, new), of_factors, content, more)
        sources = model.sources
        pipeline = replace(base.pipeline, context=context, sources=sources, families=families_of(context, sources))
        filters = ChangedFilters.over(base.filters, changes, before.filters if before is not None else None)
        words = self._words(changes)
        return Overlay(replace(base, model=model, pipeline=pipeline, filters=filters, words=words), waiting, changes)

    def restocked(self, before: Overlay, items: Sequence[LiveItem]) -> Overlay:
        """``before`` with new prices and stock of ``items``, of which nothing else changed and which it knows.

        What stock and price have no part in is shared with it: this costs copies of two columns.
        """
        filters = before.snapshot.filters
        assert before.changes is not None
        assert isinstance(filters, ChangedFilters)
        changes = before.changes.restocked(self.snapshot, items)
        context = before.snapshot.model.context
        old = context.catalogue
        catalogue = replace(
            old,
            prices=_changed(old.prices, changes.numbers, changes.prices),
            in_stock=_changed(old.in_stock, changes.numbers, changes.in_stock),
        )
        context = replace(context, catalogue=catalogue)
        snapshot = replace(
            before.snapshot,
            model=replace(before.snapshot.model, context=context),
            pipeline=replace(before.snapshot.pipeline, context=context),
            filters=filters.restocked(changes),
        )
        return Overlay(snapshot, before.waiting, changes)

    def _arrivals(self, changes: Changes) -> Float32:
        """(m, 15) statistics of the new items."""
        ids = [row.item.item_id for row in changes.rows[changes.n_known :]]
        return self.snapshot.model.context.statistics.of_arrivals(ids)

    def _context(self, changes: Changes, arrivals: Float32) -> Context:
        """Still with the snapshot's factors and texts, which sources share."""
        old = self.snapshot.model.context
        codes = self._code_families.codes(changes)
        families = self._code_families.families(changes, codes)
        shares, first_shares = self._code_families.shares(changes, families, arrivals)
        return replace(
            old,
            catalogue=self._catalogue(changes, codes),
            statistics=replace(old.statistics, values=grown(old.statistics.values, arrivals)),
            families=families,
            shares=shares,
            first_shares=first_shares,
        )

    def _catalogue(self, changes: Changes, codes: Mapping[str, Int32]) -> Catalogue:
        old, n_items = self.snapshot.catalogue, changes.n_items + changes.n_new

        def texts(column: TextColumn, values: Iterable[str]) -> TextColumn:
            return ChangedTexts.over(column, dict(zip(changes.numbers.tolist(), values, strict=True)), n_items)

        def numbers(column: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
            return _changed(np.concatenate([column, values[changes.n_known :]]), changes.numbers, values)

        return Catalogue(
            items=GrownIds.over(old.items, [row.item.item_id for row in changes.rows[changes.n_known :]]),
            titles=texts(old.titles, (row.title for row in changes.rows)),
            categories=texts(old.categories, (row.category for row in changes.rows)),
            brands=texts(old.brands, (row.brand for row in changes.rows)),
            prices=numbers(old.prices, changes.prices),
            in_stock=numbers(old.in_stock, changes.in_stock),
            created_at=numbers(old.created_at, changes.created_at),
            codes=codes,
            # What a rebuild was told is gone stays so, unless it was changed since.
            gone=frozen(np.union1d(np.setdiff1d(old.gone, changes.numbers), changes.gone), np.int32),
        )

    def _newcomers(self, changes: Changes, catalogue: Catalogue, arrivals: Float32) -> Newcomers:
        known, late = changes.numbers[: changes.n_known], changes.numbers[changes.n_known :]
        brands = None if self._affinity_family == BRAND else catalogue.codes.get(BRAND)
        groups = catalogue.codes.get(self._affinity_family)
        if groups is None:
            return Newcomers(late, changes.n_items, arrivals, brands=brands)
        before = self.snapshot.catalogue.codes[self._affinity_family]
        moved = known[groups[known] != before[known]]
        return Newcomers(late, changes.n_items, arrivals, groups[:], brands, moved)

    @cached_property
    def _affinity_family(self) -> str:
        """The code family that popularity is split by; "" for none."""
        codes = getattr(self.snapshot.pipeline.sources.get(AFFINITY), "codes", None)
        return "" if codes is None else family_of(codes, self.snapshot.catalogue.codes)

    def _content(self, changes: Changes, vectors: Mapping[str, Float32]) -> tuple[Content | None, dict[str, str]]:
        content = self.snapshot.model.content
        if content is None:
            return None, {}
        items: list[int] = []
        emptied: list[int] = []
        text_of: list[int] = []
        digests: dict[str, int] = {}
        waiting = {}
        for number, row in zip(changes.numbers.tolist(), changes.rows, strict=True):
            if row.has_new_text and row.text:
                vector = vectors.get(row.digest)
                if vector is None:
                    waiting[row.digest] = row.text
                elif len(vector) == content.index.width:
                    items.append(number)
                    text_of.append(digests.setdefault(row.digest, len(digests)))
            elif row.has_new_text and row.number >= 0:
                emptied.append(number)
        table = np.array([vectors[digest] for digest in digests], np.float32).reshape(-1, content.index.width)
        side = TextVectors.of(table, frozen(text_of, np.int32), frozen(np.zeros(len(items)), np.float32))
        n_items = changes.n_items + changes.n_new
        gone = frozen(emptied, np.int32)
        return with_texts(content, frozen(items, np.int32), side, emptied=gone, n_items=n_items), waiting

    def _words(self, changes: Changes) -> GrownWords | None:
        places = [place for place, row in enumerate(changes.rows) if row.has_new_text]
        words, texts = self.snapshot.words, [changes.rows[place].text for place in places]
        if words is None and not any(texts):
            return None
        return GrownWords.over(words, changes.numbers[np.array(places, np.int64)], texts, changes.n_items)


def _changed(column: NDArray[Any], numbers: Int32, values: NDArray[Any]) -> NDArray[Any]:
    changed = column.copy()
    changed[numbers] = values
    return frozen(changed, column.dtype)
