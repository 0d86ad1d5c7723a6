"""What a shop's data are like, and how far they have moved since: by this an earlier selection is used again or not."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from index.dataset import Dataset
from index.windows import length_s

# A fact may change by this share of what it was.
MOST_CHANGE = 0.1
# A share that moves by less than a hundredth of the whole has not moved, however small it was.
LEAST_STEP = 0.01
SHARES = frozenset({"density", "target share", "repeat share", "new-item share", "items with text"})
# The smallest so many hashes of a list of ids stand for it: two lists' overlap shows within some hundredths.
SKETCH = 256


@dataclass(frozen=True, slots=True)
class Change:
    """By how much a fact has changed, as a share of what it was; infinite from nothing."""

    fact: str
    relative: float

    def __str__(self) -> str:
        return f"{self.fact} {100 * self.relative:+.1f} %" if self.relative else "none"

    @property
    def is_drift(self) -> bool:
        """Whether that is more than MOST_CHANGE."""
        return abs(self.relative) > MOST_CHANGE


@dataclass(frozen=True, slots=True)
class ShopFacts:
    """values: by name, sizes and shares; "lately" is within the newest window · items, users: sketches of their ids."""

    values: Mapping[str, float]
    items: tuple[int, ...]
    users: tuple[int, ...]

    @classmethod
    def of(cls, dataset: Dataset, end: int) -> Self:
        """Of the data before ``end``. A few seconds for 15 million events."""
        events, n_items = dataset.interactions, len(dataset.item_ids)
        start = end - length_s(end, int(events.times.min()), horizon_days=dataset.settings.training.days)
        keys = events.users.astype(np.int64) * n_items + events.items
        n_users, n_seen = len(np.unique(events.users)), len(np.unique(events.items))
        recent, positive = events.times >= start, events.targets & (events.weights > 0)
        taken = recent & positive
        known = np.zeros(n_items, bool)
        known[events.items[~recent]] = True
        values = {
            "events": len(events),
            "users": n_users,
            "items": n_seen,
            "events lately": int(recent.sum()),
            "users lately": len(np.unique(events.users[recent])),
            "density": len(np.unique(keys)) / max(n_users * n_seen, 1),
            "target share": _mean(events.targets),
            "repeat share": _mean(np.isin(keys[taken], keys[events.targets & ~recent])),
            "new-item share": _mean(~known[events.items[taken]]),
            "items with text": _mean(np.array([bool(text) for text in dataset.items.texts], bool)),
        }
        numbers = {name: float(value) for name, value in values.items()}
        return cls(numbers, _sketch(dataset.item_ids), _sketch(dataset.user_ids))

    def changes(self, now: ShopFacts) -> tuple[Change, ...]:
        """What has changed from this to ``now``, the largest first; never empty."""
        found = [
            Change("ids of items in common", _overlap(self.items, now.items) - 1.0),
            Change("ids of users in common", _overlap(self.users, now.users) - 1.0),
        ]
        for name, before in self.values.items():
            step = now.values[name] - before
            if name in SHARES and abs(step) < LEAST_STEP:
                step = 0.0
            found.append(Change(name, step / before if before else math.copysign(math.inf, step) if step else 0.0))
        return tuple(sorted(found, key=lambda change: -abs(change.relative)))

    def to_json(self) -> dict[str, Any]:
        """Plain values, the inverse of ``from_json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The facts that ``to_json`` wrote. KeyError, TypeError or ValueError when they are none."""
        numbers = {str(name): float(value) for name, value in values["values"].items()}
        return cls(numbers, tuple(map(int, values["items"])), tuple(map(int, values["users"])))


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _sketch(ids: Sequence[str]) -> tuple[int, ...]:
    hashes = (int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "big") for id in ids)
    return tuple(sorted(hashes)[:SKETCH])


def _overlap(one: Sequence[int], other: Sequence[int]) -> float:
    """The share of the ids of both lists that are in each of them, by their sketches: exact for short lists."""
    union = sorted({*one, *other})[:SKETCH]
    both = set(one) & set(other)
    return sum(value in both for value in union) / len(union) if union else 1.0
