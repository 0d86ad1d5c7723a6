"""What exploration can show although no source proposed it: new items by chance."""

from __future__ import annotations

import numpy as np

from recsys.arrays import frozen
from recsys.draws import Draws
from recsys.query import Candidates
from recsys.sources.promoted import Offer


def with_drawn(offer: Offer, draws: Draws) -> Offer:
    """``offer`` and, behind it, as many new items as ``draws`` has places to give away, those that come first.

    Those that were proposed come besides: where the list has them already the next one must be at hand. No source
    returned what is added, so that it is ranked by what is known of the item and the user alone.
    """
    found, blocks = offer.candidates, offer.blocks
    own = found.items[blocks == 0]
    items = draws.first(int(np.count_nonzero(draws.places)), besides=own)
    nothing = np.full((len(items), len(found.names)), np.nan, np.float32)
    last = 1 + int(blocks.max(initial=0))
    return Offer(
        Candidates(
            frozen(np.concatenate([found.items, items]), np.int32),
            found.names,
            np.concatenate([found.scores, nothing]),
            np.concatenate([found.ranks, nothing]),
        ),
        np.concatenate([blocks, np.full(len(items), last)]),
        np.concatenate([offer.spare | ((blocks == 0) & draws.among(found.items)), np.ones(len(items), np.bool_)]),
        offer.n_only + len(items),
    )
