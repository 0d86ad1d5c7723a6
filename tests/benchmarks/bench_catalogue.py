"""What changes of the catalogue cost a worker: the overlay of 1,000 changes on 100,000 items, and answers over it.

    python -m tests.benchmarks.bench_catalogue [n_items] [n_changes]

Vectors are narrow, so that building the shop takes seconds: the overlay never reads them.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from recsys.als import ItemFactors
from recsys.arrays import frozen
from recsys.ask import Ask
from recsys.catalogue import Catalogue
from recsys.context import Context
from recsys.filters.columns import Numbers, Texts
from recsys.filters.dictionary import Coded
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.lexical import WordIndex
from recsys.model import Model, Snapshot
from recsys.overlay.overlay import Basis
from recsys.profiles import Profiles
from recsys.serving import built_in
from recsys.sources.affinity import AffinityPopular
from recsys.sources.content import Content
from recsys.sources.factors import Factors
from recsys.sources.popular import Popular
from recsys.statistics import ItemStatistics
from recsys.stores.records import LiveItem, text_digest
from recsys.text_column import TextColumn
from recsys.text_vectors import TextVectors
from recsys.vector_index import VectorIndex

NOW, DAY = 1_500_000_000, 86_400
N_USERS, N_FACTORS, WIDTH = 2_000, 32, 32
WORDS = ("steel", "kettle", "tea", "green", "organic", "whole", "milk", "bread", "red", "wine", "soap", "pasta")


def shop(n: int) -> Snapshot:
    """A snapshot of ``n`` items in 2,000 categories of 1,000 brands, with texts, factors and two attributes."""
    rng = np.random.default_rng(1)
    categories = [f"Department {one % 20} > Shelf {one}" for one in rng.integers(0, 2000, n)]
    brands = [f"Brand {one}" for one in rng.integers(0, 1000, n)]
    titles = [" ".join(rng.choice(WORDS, 3)) + f" {place}" for place in range(n)]
    n_events = 40 * N_USERS
    interactions = Interactions.ordered(
        users=rng.integers(0, N_USERS, n_events),
        items=(n * rng.random(n_events) ** 3).astype(np.int32),
        times=NOW - rng.integers(1, 90 * DAY, n_events),
        weights=np.ones(n_events),
        targets=np.ones(n_events, bool),
    )
    firsts = [path.partition(" > ")[0] for path in categories]
    codes = {
        name: Coded.of(of).codes for name, of in (("category_1", firsts), ("category_2", categories), ("brand", brands))
    }
    catalogue = Catalogue(
        items=IdMap.of(f"item-{place:08d}" for place in range(n)),
        titles=TextColumn.of(titles),
        categories=TextColumn.of(categories),
        brands=TextColumn.of(brands),
        prices=frozen(rng.uniform(1, 100, n), np.float32),
        in_stock=frozen(np.ones(n), np.bool_),
        created_at=frozen(np.zeros(n), np.int64),
        codes=codes,
    )
    statistics = ItemStatistics.fit(interactions, n, NOW)
    factors = rng.normal(size=(n, N_FACTORS)).astype(np.float32)
    vectors = rng.normal(size=(n, WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = TextVectors.of(vectors, frozen(np.arange(n), np.int32), statistics.column("users_12w"))
    content = Content(texts, VectorIndex.build(vectors, sample=vectors[:64], seed=0))
    source = Factors(
        ItemFactors.of(factors, regularisation=1.0, alpha=2.0),
        VectorIndex.build(factors, sample=factors[:64], seed=0),
        frozen(np.arange(n), np.int32),
    )
    context = Context.of(
        catalogue,
        statistics,
        profiles=Profiles((), np.empty((N_USERS, 0), np.float32)),
        factors=source.model,
        texts=texts,
    )
    users = frozen(np.expm1(statistics.column("users_12w")), np.float32)
    more = (AffinityPopular.of(codes["category_2"], users), Popular.of(statistics.column("popularity_2w"), "trending"))
    return Snapshot.of(
        Model(context, Popular.of(statistics.column("users_4w")), source, content, more),
        rankers={},
        users=IdMap.of(f"u{user:05d}" for user in range(N_USERS)),
        histories=Histories.of_interactions(interactions, N_USERS),
        configs=built_in(),
        last_event_at=NOW,
        attributes={
            "colour": Texts(Coded.of([WORDS[one] for one in rng.integers(0, 12, n)])),
            "size": Numbers(frozen(rng.integers(0, 40, n), np.float64)),
        },
        words=WordIndex.of(titles),
    )


def changes(n_items: int, n: int) -> tuple[list[LiveItem], dict[str, Any]]:
    """A third new items, a third new prices and stock, a third new names and categories; vectors of the new texts."""
    rng = np.random.default_rng(2)
    places = rng.choice(n_items, n, replace=False)
    found = []
    for number, place in enumerate(places.tolist()):
        kind, version = number % 3, 1 + number
        named = {
            "title": f"new kettle {number}",
            "category": f"Department 3 > Shelf {number % 2100}",
            "brand": f"Brand {number % 1100}",
            "attributes.colour": "red",
        }
        if kind == 0:
            fields = {**named, "price": 5.0, "created_at": NOW}
            found.append(LiveItem(f"new-{number}", fields, version, is_created=True, created_us=version))
        elif kind == 1:
            found.append(LiveItem(f"item-{place:08d}", {"price": 3.0, "stock": number % 5}, version))
        else:
            found.append(LiveItem(f"item-{place:08d}", named, version))
    return found, vectors_of(found)


def vectors_of(items: list[LiveItem]) -> dict[str, Any]:
    """Random unit vectors of the texts of ``items``."""
    rng = np.random.default_rng(3)
    waiting = BASE.over(items, {}).waiting
    vectors = rng.normal(size=(len(waiting), WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert all(text_digest(text) == digest for digest, text in waiting.items())
    return dict(zip(waiting, vectors, strict=True))


def median_ms(run: Callable[[], object], times: int = 15) -> float:
    """Median milliseconds of a call."""
    took = []
    for _ in range(times):
        started = perf_counter()
        run()
        took.append(perf_counter() - started)
    return round(float(np.median(took)) * 1e3, 2)


def peak_mb() -> float:
    """Peak resident memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(n_items: int, n_changes: int) -> dict[str, float]:
    """All figures."""
    items, vectors = changes(n_items, n_changes)
    snapshot, before = BASE.snapshot, peak_mb()
    started = perf_counter()
    first = BASE.over(items, vectors)
    first_ms = (perf_counter() - started) * 1e3
    now = first.snapshot
    one = LiveItem("item-00000007", {"stock": 0}, n_changes + 1)

    def answers(over: Snapshot) -> Callable[[], object]:
        users = iter(range(10_000))
        return lambda: over.recommend(Ask(at=NOW, user_id=f"u{next(users):05d}", limit=20))

    stocked = items[1]
    sold_out = replace(stocked, fields={**stocked.fields, "stock": 0})
    plain, overlaid = answers(snapshot), answers(now)
    both = np.array([[median_ms(one, 1) for one in (plain, overlaid)] for _ in range(100)])[20:]
    figures = {
        "first_ms": round(first_ms, 1),
        "restocked_ms": median_ms(lambda: BASE.restocked(first, [sold_out])),
        "next_ms": median_ms(lambda: BASE.over([*items, one], vectors, now), 7),
        "recommend_ms": round(float(np.median(both[:, 0])), 2),
        "recommend_overlaid_ms": round(float(np.median(both[:, 1])), 2),
        "search_ms": median_ms(lambda: snapshot.relevant("green kettle", None, snapshot.catalogue.in_stock)),
        "search_overlaid_ms": median_ms(lambda: now.relevant("green kettle", None, now.catalogue.in_stock)),
        "filter_first_ms": median_ms(lambda: BASE.over(items[:1], {}).snapshot.filters.mask("price < 5"), 3),
    }
    started = perf_counter()
    now.filters.mask('attributes.colour = "red"')
    figures["filter_overlaid_first_ms"] = round((perf_counter() - started) * 1e3, 2)
    figures["more_mb_peak"] = round(peak_mb() - before, 1)
    return figures


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[1:]] or [100_000, 1_000]
    BASE = Basis(shop(sizes[0]))
    print(json.dumps({"n_items": sizes[0], "n_changes": sizes[1], **measured(*sizes)}))
