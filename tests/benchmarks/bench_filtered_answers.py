"""Whole answers under strict filters beside answers without, from a snapshot of a million items in memory.

    python tests/benchmarks/bench_filtered_answers.py [--items N] [--users N]

Every item has a text of its own near a plane of 16 dimensions, every user a history near one point of it. The filter is
on the price, so the whole way is taken: its text is compiled, every source searches within it. Processor time, the two
kinds in turns. Exit code 1 when a page is not full, when the content source finds less than .98 of what exact search
finds among the items that pass, or when the median answer takes more than three times as long as without a filter.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import thread_time

import numpy as np
from bench_filters import LEAST_RECALL, MOST_TIMES, SHARES, vectors_of

from recsys.arrays import frozen
from recsys.ask import Ask, resolve
from recsys.catalogue import Catalogue
from recsys.context import Context
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.model import Model, Snapshot
from recsys.profiles import Profiles
from recsys.query import Recommendation
from recsys.serving import built_in
from recsys.sources.content import Content
from recsys.sources.popular import Popular
from recsys.statistics import ItemStatistics
from recsys.text_column import TextColumn
from recsys.text_vectors import TextVectors
from recsys.vector_index import VectorIndex, exact_search

NOW = 1_700_000_000
EVENTS_A_USER = 30
PAGE = 20
CONFIG = "discover"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 and a JSON file of figures; 1 when one of them is not good enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000, metavar="N", help="of the catalogue (%(default)s)")
    parser.add_argument("--users", type=int, default=200, metavar="N", help="who ask, once a filter (%(default)s)")
    parser.add_argument("--json", type=Path, default=Path("bench/filtered_answers.json"), metavar="FILE")
    options = parser.parse_args(arguments)
    shop = snapshot_of(options.items, options.users)
    found = [measured(shop, share, options.users) for share in SHARES]
    for row in found:
        print(
            f"{row['share']:7.2%} pass: {row['full']:.1%} of pages are full, recall of content {row['recall']:.3f}, "
            f"median {row['median_ms']:.1f} ms, {row['times']:.2f} times that without a filter"
        )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=2) + "\n")
    good = (row["full"] == 1 and row["recall"] >= LEAST_RECALL and row["times"] <= MOST_TIMES for row in found)
    return 0 if all(good) else 1


def snapshot_of(n_items: int, n_users: int) -> Snapshot:
    """A shop in memory: prices from 0 to 1, a text an item, histories of neighbours in meaning."""
    rng = np.random.default_rng(0)
    vectors = vectors_of(n_items, rng)
    liked = vectors[rng.integers(n_items, size=n_users)]
    index = VectorIndex.build(vectors, sample=liked[:64], seed=0)
    items = np.concatenate([index.search(taste, EVENTS_A_USER, None)[0] for taste in liked])
    users = np.repeat(np.arange(n_users), EVENTS_A_USER)
    interactions = Interactions.ordered(
        users=users,
        items=items,
        times=NOW - rng.integers(1, 80 * 86_400, len(items)),
        weights=np.ones(len(items)),
        targets=np.ones(len(items), bool),
    )
    catalogue = Catalogue(
        items=IdMap.of(f"{item:07d}" for item in range(n_items)),
        titles=TextColumn.of(f"Item {item}" for item in range(n_items)),
        categories=TextColumn.of([""] * n_items),
        brands=TextColumn.of([""] * n_items),
        prices=rng.random(n_items, np.float32),
        in_stock=np.ones(n_items, np.bool_),
        created_at=np.zeros(n_items, np.int64),
        codes={},
    )
    statistics = ItemStatistics.fit(interactions, n_items, NOW)
    texts = TextVectors.of(vectors, frozen(np.arange(n_items), np.int32), statistics.column("users_12w"))
    profiles = Profiles((), np.zeros((n_users, 0), np.float32))
    context = Context.of(catalogue, statistics, profiles=profiles, factors=None, texts=texts)
    popular = Popular.of(frozen(statistics.column("users_4w"), np.float32))
    return Snapshot.of(
        Model(context, popular, None, Content(texts, index)),
        rankers={},
        users=IdMap.of(f"u{user:05d}" for user in range(n_users)),
        histories=Histories.of_interactions(interactions, n_users),
        configs=built_in(),
        last_event_at=int(interactions.times.max()),
    )


def measured(shop: Snapshot, share: float, n_users: int) -> dict[str, float]:
    """Figures of the filter that ``share`` of the items pass."""
    content = shop.model.content
    assert content is not None
    plain, filtered, recalls, full = [], [], [], []
    depth = next(depth.k for depth in built_in()[CONFIG].depths if depth.source == content.name)
    for user in (0, *range(n_users)):  # the first one warms up
        ask = Ask(at=NOW, user_id=f"u{user:05d}", serving_config=CONFIG, limit=PAGE, filter=f"price < {share}")
        answer, seconds = timed(shop, ask)
        plain.append(timed(shop, replace(ask, filter=""))[1])
        filtered.append(seconds)
        full.append(len(answer.slate) == PAGE)
        query = resolve(ask, shop).query
        taste = content.vector_of(query)
        assert taste is not None
        expected = exact_search(content.texts.vectors, taste, depth, query.allowed)
        recalls.append(len(np.intersect1d(content.retrieve(query, depth).items, expected)) / len(expected))
    return {
        "share": share,
        "full": float(np.mean(full[1:])),
        "recall": float(np.mean(recalls[1:])),
        "median_ms": 1e3 * float(np.median(filtered[1:])),
        "times": float(np.median(filtered[1:]) / np.median(plain[1:])),
    }


def timed(shop: Snapshot, ask: Ask) -> tuple[Recommendation, float]:
    """The answer to ``ask``, and processor time in seconds."""
    begun = thread_time()
    answer = shop.recommend(ask)
    return answer, thread_time() - begun


if __name__ == "__main__":
    sys.exit(main())
