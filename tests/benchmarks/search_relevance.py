"""What the weight of relevance does to searches: made-up queries of customers for what they then bought.

Nobody's searches are in the data, so queries are made of what was bought after the snapshot: the title and brand of an
item (a product that is named: is it first?) and the last level of its category alone (a need: are the next purchases of
it on the first screen?). Use a snapshot whose last event lies before a window of the data, and choose on
windows that are not reported.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from index.encoder import Encoder
from recsys.ask import Ask
from recsys.model import Snapshot
from recsys.serving import built_in
from recsys.snapshot.store import SnapshotStore

WEIGHTS = (0.01, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0, 1e6)
TOP = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """0, and a row a weight."""
    options = _parser().parse_args(arguments)
    store = SnapshotStore(options.snapshots)
    snapshot = Snapshot.read(store.open(store.current()))
    bought = _bought(snapshot, options.data, options.days)
    rng = np.random.default_rng(1)
    chosen = rng.permutation(len(bought))[: options.n_queries]
    queries = [bought[row] for row in chosen.tolist()]
    encoder = Encoder.load(snapshot.encoder_model)
    rows = []
    for weight in options.weights:
        search = replace(built_in()["search"], relevance=weight)
        weighted = replace(snapshot, configs={"search": search})
        row = {"weight": weight, "n_queries": len(queries)}
        for kind, text_of in (("named", _named), ("need", _need)):
            texts = [text_of(snapshot, item) for _, item, _ in queries]
            vectors = dict(zip(texts, encoder.encode(texts), strict=True))
            row |= {f"{kind}_{name}": value for name, value in _judged(weighted, queries, texts, vectors).items()}
        rows.append(row)
        print(json.dumps({name: round(value, 4) for name, value in row.items()}), flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


def _bought(snapshot: Snapshot, data: Path, days: int) -> list[tuple[str, int, frozenset[int]]]:
    """User, one item they bought within ``days`` after the snapshot, and all of those."""
    events = pl.read_parquet(data / "events.parquet").filter(pl.col("event_type") == "purchase")
    times = events["timestamp"].dt.epoch("s") if events["timestamp"].dtype.is_temporal() else events["timestamp"]
    start = snapshot.last_event_at
    after = events.filter((times > start) & (times <= start + days * 86_400))
    grouped = after.group_by("user_id").agg(pl.col("item_id").unique()).sort("user_id")
    rng = np.random.default_rng(0)
    found = []
    for user_id, item_ids in grouped.iter_rows():
        numbers = snapshot.catalogue.items.numbers(sorted(item_ids))
        numbers = numbers[numbers >= 0]
        numbers = numbers[snapshot.model.context.texts.text_of[numbers] >= 0]  # type: ignore[union-attr]
        if len(numbers):
            found.append((user_id, int(rng.choice(numbers)), frozenset(numbers.tolist())))
    return found


def _named(snapshot: Snapshot, item: int) -> str:
    catalogue = snapshot.catalogue
    return " ".join((catalogue.titles[item], catalogue.brands[item]))[:512]


def _need(snapshot: Snapshot, item: int) -> str:
    return snapshot.catalogue.categories[item].rpartition(" > ")[2]


def _judged(
    snapshot: Snapshot,
    queries: Sequence[tuple[str, int, frozenset[int]]],
    texts: Sequence[str],
    vectors: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """first: the item itself leads · same: what leads has its very text · mrr of the item · ndcg of all then bought."""
    text_of = snapshot.model.context.texts.text_of  # type: ignore[union-attr]
    first, same, reciprocal, gains = [], [], [], []
    discounts = 1 / np.log2(np.arange(2, TOP + 2))
    for (user_id, item, bought), text in zip(queries, texts, strict=True):
        ask = Ask(
            at=snapshot.last_event_at + 1,
            user_id=user_id,
            serving_config="search",
            limit=TOP,
            text=text,
            vector=vectors[text],
        )
        shown = snapshot.recommend(ask).slate.items.tolist() if text.strip() else []
        first.append(shown[:1] == [item])
        same.append(bool(shown) and text_of[shown[0]] == text_of[item])
        reciprocal.append(1 / (1 + shown.index(item)) if item in shown else 0.0)
        hits = np.array([one in bought for one in shown], float)
        gains.append((hits * discounts[: len(hits)]).sum() / discounts[: min(TOP, len(bought))].sum())
    columns = {"first": first, "same_text": same, "mrr": reciprocal, "ndcg": gains}
    return {name: float(np.mean(values)) for name, values in columns.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("snapshots", type=Path, help="folder whose current snapshot ends before the window")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--n-queries", type=int, default=600)
    parser.add_argument("--weights", type=float, nargs="+", default=WEIGHTS)
    parser.add_argument("--json", type=Path)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
