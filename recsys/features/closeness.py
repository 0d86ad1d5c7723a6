"""How near the candidate is to the user in the two vector spaces, whichever source it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsys.arrays import Float32
from recsys.context import Context
from recsys.features.rows import Rows


@dataclass(frozen=True, slots=True)
class Closeness:
    """Inner product with the folded-in user vector (0 for an item without factors), cosine to the user's interest.

    NaN without a history, and without a text for the cosine.
    """

    names: ClassVar[tuple[str, ...]] = ("als_closeness", "text_closeness")

    def compute(self, rows: Rows, context: Context) -> Float32:
        """(C, 2). One small product a query: a table of all candidates' vectors would take gigabytes offline."""
        out = np.full((len(rows), 2), np.nan, np.float32)
        for position, query in enumerate(rows.queries):
            if not len(query.history):
                continue
            part = slice(rows.starts[position], rows.starts[position + 1])
            items = rows.items[part]
            if context.factors is not None:
                out[part, 0] = context.factors.factors[items] @ context.factors.vector_of(query)
            if context.texts is not None:
                interest = context.texts.interest_of(query)
                texts = context.texts.text_of[items]
                if interest is not None:
                    cosine = context.texts.vectors[texts] @ interest
                    out[part, 1] = np.where(texts >= 0, cosine, np.nan)
        return out
