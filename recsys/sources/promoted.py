"""What promotions can show although no source proposed it: popular items that pass their filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recsys.arrays import Bool, Int64, frozen
from recsys.filters.kept import bits_at
from recsys.query import Candidates, Hits, Query
from recsys.sources.protocol import Source


@dataclass(frozen=True, slots=True)
class Offer:
    """Candidates as promotions find them.

    blocks (C,): 0 for what was proposed, the others fill the list one block after the other · spare (C,): what a
    promotion or a draw may bring in though it is not among the first · n_only: so many rows, the last ones and the last
    blocks, are there for nothing else; an item of them may also be among those that fill the list.
    """

    candidates: Candidates
    blocks: Int64
    spare: Bool
    n_only: int = 0


def offered(query: Query, found: Candidates, blocks: Int64, popular: Source | None, screens: int) -> Offer:
    """``found`` with as many items for each promotion of ``query`` as fill its places on so many ``screens``.

    Where too few were proposed the most popular allowed ones join them, whatever the length of the page: a page is the
    beginning of a longer page.
    """
    proposed = blocks == 0
    own = found.items[proposed]
    passing = np.zeros(len(found), np.bool_)
    more: list[Hits] = []
    for promotion, bits in zip(query.config.promotions, query.promoted, strict=True):
        passing |= bits_at(bits, found.items)
        wanted = screens * promotion.n_places
        if popular is not None and np.count_nonzero(bits_at(bits, own)) < wanted:
            mask = query.allowed & np.unpackbits(bits, count=len(query.allowed)).view(np.bool_)
            more.append(popular.retrieve(replace(query, allowed=frozen(mask, np.bool_)), wanted))
    offer = Offer(found, blocks, passing & proposed)
    return _joined(offer, more, popular.name) if popular is not None and more else offer


def _joined(offer: Offer, more: Sequence[Hits], column_name: str) -> Offer:
    """The offer and, behind it, what of ``more`` was not proposed, with places below the depth of the source.

    What fills the list anyway gets a row of its own here: which items fill it depends on the length of the page, and
    the ranker must see what is promoted the same on a short page and on a long one.
    """
    found, blocks = offer.candidates, offer.blocks
    column = found.names.index(column_name)
    items, first = np.unique(np.concatenate([hits.items for hits in more]), return_index=True)
    own_scores = np.concatenate([hits.scores for hits in more])[first]
    new = ~np.isin(items, found.items[blocks == 0])
    items, own_scores = items[new], own_scores[new]
    scores, ranks = (np.full((len(items), len(found.names)), np.nan, np.float32) for _ in range(2))
    # Places by popularity; ties by item number, as in the source.
    depth = 1 + int(np.nanmax(found.ranks[blocks == 0, column], initial=-1.0))
    scores[:, column] = own_scores
    ranks[np.lexsort((items, -own_scores)), column] = depth + np.arange(len(items))
    last = 1 + int(blocks.max(initial=0))
    return Offer(
        Candidates(
            frozen(np.concatenate([found.items, items]), np.int32),
            found.names,
            np.concatenate([found.scores, scores]),
            np.concatenate([found.ranks, ranks]),
        ),
        np.concatenate([blocks, np.full(len(items), last)]),
        np.concatenate([offer.spare, np.ones(len(items), np.bool_)]),
        len(items),
    )
