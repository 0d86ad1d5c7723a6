"""All worlds by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shops import few_products, five_events, ids_only, news, sparse_views, wholesale
from shops.shop import Shop

WORLDS: Mapping[str, Callable[..., Shop]] = {
    "sparse-views": sparse_views.make,
    "five-events": five_events.make,
    "few-products": few_products.make,
    "ids-only": ids_only.make,
    "wholesale": wholesale.make,
    "news": news.make,
}
