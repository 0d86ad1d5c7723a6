"""A shop of three departments with every column that can change, and the same shop built anew with other items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recsys.als import ItemFactors
from recsys.arrays import frozen
from recsys.catalogue import Catalogue
from recsys.context import Context
from recsys.filters.columns import Booleans, Numbers, TextLists, Texts
from recsys.filters.dictionary import Coded
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.lexical import WordIndex
from recsys.model import Model, Snapshot
from recsys.overlay.item_text import item_text
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

NOW = 1_500_000_000
DAY = 86_400
WIDTH = 4
DEPARTMENTS = ("Food", "Food > Tea", "Tools")
COLOURS = ("red", "green", "")
TAGS = (("vegan", "fair trade"), (), ("Vegan",), ("new",))


@dataclass(frozen=True)
class Thing:
    """One item of the shop."""

    id: str
    title: str
    category: str = ""
    brand: str = ""
    price: float = float("nan")
    in_stock: bool = True
    created_at: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return item_text(self.id, (self.title, "", self.category, self.brand))


def things(n: int = 24) -> list[Thing]:
    """The shop's items: ids ascend, so numbers are places in the list."""
    return [
        Thing(
            f"i{i:02d}",
            f"Thing number{i}",
            DEPARTMENTS[i % 3],
            f"Brand {i % 4}" if i % 4 else "",
            1.0 + i,
            created_at=NOW - 100 * DAY if i % 2 else 0,
            attributes={
                "colour": COLOURS[i % 3],
                "size": str(i % 5),
                "tags": TAGS[i % 4],
                **({"organic": i % 2 == 0} if i % 5 else {}),
            },
        )
        for i in range(n)
    ]


def vector_of(text: str) -> Any:
    """A unit vector (WIDTH,) that only the text decides."""
    rng = np.random.default_rng(int(text_digest(text)[:8], 16))
    vector = rng.normal(size=WIDTH).astype(np.float32)
    return vector / np.linalg.norm(vector)


def codes_of(labels: Sequence[str]) -> Any:
    """Codes by ascending label, -1 for none: as a rebuild gives them."""
    known = {label: code for code, label in enumerate(sorted(set(labels) - {""}))}
    return frozen([known.get(label, -1) for label in labels], np.int32)


def level(category: str, depth: int) -> str:
    """The first ``depth`` levels of a path, "" where it is shorter."""
    levels = category.split(" > ")
    return " > ".join(levels[:depth]) if category and len(levels) >= depth else ""


def taken(n_taken: int = 20, since: Sequence[tuple[int, int, int]] = ()) -> Interactions:
    """The first ``n_taken`` items by 12 users, and ``since``: user, item and time of more."""
    pairs = [(user, item) for user in range(12) for item in range(n_taken) if (user + item) % 3 and item % 12 != user]
    events = [(user, item, NOW - (1 + (5 * user + 3 * item) % 90) * DAY) for user, item in pairs] + list(since)
    users, items, times = zip(*events, strict=True)
    ones = [1.0] * len(events)
    return Interactions.ordered(users=users, items=items, times=times, weights=ones, targets=[True] * len(events))


def built(
    all_things: Sequence[Thing],
    *,
    n_taken: int = 20,
    with_texts: bool = True,
    since: Sequence[tuple[int, int, int]] = (),
) -> Snapshot:
    """The snapshot of ``all_things``, of which ``n_taken`` and ``since`` have events as in ``taken``."""
    n = len(all_things)
    interactions = taken(n_taken, since)
    category = [one.category for one in all_things]
    codes = {
        "category_1": codes_of([level(path, 1) for path in category]),
        "category_2": codes_of([level(path, 2) for path in category]),
        "brand": codes_of([one.brand for one in all_things]),
        "colour": codes_of([one.attributes.get("colour", "") for one in all_things]),
    }
    catalogue = Catalogue(
        items=IdMap.of(one.id for one in all_things),
        titles=TextColumn.of(one.title for one in all_things),
        categories=TextColumn.of(category),
        brands=TextColumn.of(one.brand for one in all_things),
        prices=frozen([one.price for one in all_things], np.float32),
        in_stock=frozen([one.in_stock for one in all_things], np.bool_),
        created_at=frozen([one.created_at for one in all_things], np.int64),
        codes=codes,
    )
    statistics = ItemStatistics.fit(interactions, n, NOW)
    rng = np.random.default_rng(4)
    table = np.zeros((n, 3), np.float32)
    table[:n_taken] = rng.normal(size=(n_taken, 3))
    rows = frozen(np.arange(n_taken), np.int32)
    factors = Factors(
        ItemFactors.of(table, regularisation=1.0, alpha=2.0),
        VectorIndex.build(np.ascontiguousarray(table[:n_taken]), sample=table[:4], seed=0),
        rows,
    )
    content = None
    texts = [one.text for one in all_things]
    if with_texts:
        vectors = np.stack([vector_of(text) for text in texts])
        text_table = TextVectors.of(vectors, frozen(np.arange(n), np.int32), statistics.column("users_12w"))
        content = Content(text_table, VectorIndex.build(vectors, sample=vectors[:4], seed=0))
    context = Context.of(
        catalogue,
        statistics,
        profiles=Profiles((), np.empty((12, 0), np.float32)),
        factors=factors.model,
        texts=content.texts if content else None,
    )
    users = frozen(np.expm1(statistics.column("users_12w")), np.float32)
    new = frozen(statistics.column("age_weeks") < 12, np.bool_)
    more = (
        AffinityPopular.of(codes["category_1"], users),
        Popular.of(statistics.column("popularity_2w"), "fresh", among=new),
    )
    popularity = statistics.column("users_4w") + 1e-3 * statistics.column("users_all")
    organic = [one.attributes.get("organic") for one in all_things]
    return Snapshot.of(
        Model(context, Popular.of(frozen(popularity, np.float32)), factors, content, more),
        rankers={},
        users=IdMap.of(f"u{u:02d}" for u in range(12)),
        histories=Histories.of_interactions(interactions, 12),
        configs=built_in(),
        last_event_at=NOW - DAY,
        attributes={
            "colour": Texts(Coded.of([one.attributes.get("colour", "") for one in all_things])),
            "tags": TextLists.of(one.attributes.get("tags", ()) for one in all_things),
            "organic": Booleans(
                frozen([bool(flag) for flag in organic], np.bool_),
                frozen([flag is not None for flag in organic], np.bool_),
            ),
            "size": Numbers(frozen([float(one.attributes.get("size") or "nan") for one in all_things], np.float64)),
        },
        words=WordIndex.of(texts) if with_texts else None,
    )


def live(thing: Thing, version: int, **changes: Any) -> LiveItem:
    """All of ``thing`` as a store keeps it once it was created."""
    fields: dict[str, Any] = {
        "title": thing.title,
        "category": thing.category,
        "brand": thing.brand,
        "price": None if np.isnan(thing.price) else thing.price,
        "in_stock": thing.in_stock,
        "created_at": thing.created_at or None,
        **{f"attributes.{name}": value for name, value in thing.attributes.items()},
    }
    usual: dict[str, Any] = {"is_created": True, "created_us": version}
    return LiveItem(thing.id, fields, version, **usual | changes)


def vectors_of(*some: Thing) -> dict[str, Any]:
    """Vectors of their texts, as a store keeps them."""
    return {text_digest(one.text): vector_of(one.text) for one in some}
