"""What validation chose, kept beside the caches so that the next rebuild of the same shop need not choose again."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from index.builder import Builder
from index.fit_settings import FitSettings
from index.heads import Mean, Recipe
from index.policy_weights import PolicyWeights, Tried
from index.selection import Contender
from index.shop_facts import ShopFacts
from index.stage_keys import code_digest
from index.worth import Worth, source_of
from recsys.decay import DAY_S
from recsys.errors import SnapshotCorrupt
from recsys.fusion import SOURCE, Fusion
from recsys.snapshot.canonical import canonical, parsed

# Of the data's time, not of the clock's.
MOST_DAYS = 28
MOST_KEPT = 64
# What choices of sources and recipes do not depend on. Event weights are settings as much as any.
_ELSEWHERE = frozenset({"columns", "cleaning", "gates", "serving"})
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, SnapshotCorrupt)


@dataclass(frozen=True, slots=True)
class Shop:
    """What a selection is made on.

    kind: digest of the code, the settings, the columns there are, and whether it is known what was shown; only what is
    equal in these can be the same shop · data: digest of everything · at: epoch seconds of the last event.
    """

    kind: str
    data: str
    at: int
    facts: ShopFacts

    @classmethod
    def of(cls, builder: Builder, end: int) -> Self:
        """The shop of a build that ends at ``end``."""
        dataset, timeless = builder.dataset, builder.timeless
        settings = {name: part for name, part in dataset.settings.to_json().items() if name not in _ELSEWHERE}
        columns = [list(timeless.profiles.names), list(timeless.catalogue.codes)]
        data = builder.keys.of_everything(dataset.interactions, end, off=builder.all_off(frozenset()))
        if builder.shown is not None:
            data = hashlib.sha256(f"{data}{builder.shown.digest}".encode()).hexdigest()
        kind = [code_digest(), settings, columns, builder.shown is not None]
        return cls(
            kind=hashlib.sha256(canonical(kind)).hexdigest(),
            data=data,
            at=int(dataset.interactions.times.max()),
            facts=ShopFacts.of(dataset, end),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was chosen for a head: why, its NDCG@10 on the windows it was judged by, and how much of what was shown is
    heeded.
    """

    contender: Contender
    why: str
    ndcg: float
    strength: float = 0.0


@dataclass(frozen=True, slots=True)
class Selection:
    """fitting: of the sources · verdicts, policies: by head · worths: of all sources · names: of the features, with
    sources that do not pay.
    """

    shop: Shop
    fitting: FitSettings
    verdicts: Mapping[str, Verdict]
    worths: tuple[Worth, ...]
    policies: Mapping[str, PolicyWeights]
    names: tuple[str, ...]

    @property
    def unpaid(self) -> frozenset[str]:
        """The sources that were left out."""
        return frozenset(worth.source for worth in self.worths if not worth.pays)

    @property
    def remaining(self) -> tuple[str, ...]:
        """The names without the columns of sources that were left out."""
        return tuple(name for name in self.names if source_of(name) not in self.unpaid)

    @property
    def day(self) -> str:
        """The day of its last event."""
        return str(np.datetime64(self.shop.at, "s").astype("datetime64[D]"))

    def objection(self, shop: Shop) -> str:
        """Why it does not hold for ``shop``, as a sentence; "" when it does."""
        days = (shop.at - self.shop.at) / DAY_S
        if days > MOST_DAYS:
            return f"the selection of {self.day} is {days:.0f} days old, {MOST_DAYS} are allowed"
        drifted = [change for change in self.shop.facts.changes(shop.facts) if change.is_drift]
        if drifted:
            more = f" and {len(drifted) - 1} more" if len(drifted) > 1 else ""
            return f"the data have drifted since the selection of {self.day}: {drifted[0]}{more}"
        return ""

    def to_json(self) -> dict[str, Any]:
        """Plain values, the inverse of ``from_json``."""
        verdicts = {
            name: {
                "fusion": one.contender.fusion.to_json(),
                "recipe": asdict(one.contender.recipe) if one.contender.recipe else None,
                "why": one.why,
                "ndcg": one.ndcg,
                "strength": one.strength,
            }
            for name, one in self.verdicts.items()
        }
        return {
            "shop": asdict(self.shop),
            "fitting": self.fitting.to_json(),
            "verdicts": verdicts,
            "worths": [asdict(worth) for worth in self.worths],
            "policies": {name: asdict(weights) for name, weights in self.policies.items()},
            "names": list(self.names),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The selection that ``to_json`` wrote. KeyError, TypeError, ValueError or AttributeError when it is none."""
        shop = dict(values["shop"])
        verdicts = {
            name: Verdict(
                Contender(Fusion.from_json(one["fusion"]), _recipe(one["recipe"]) if one["recipe"] else None),
                str(one["why"]),
                float(one["ndcg"]),
                float(one["strength"]),
            )
            for name, one in values["verdicts"].items()
        }
        followed = {name: one.contender.fusion for name, one in verdicts.items()}
        followers = {fusion.source: name for name, fusion in followed.items() if fusion.kind == SOURCE}
        policies = {
            name: PolicyWeights(one["diversity"], one["spread"], tuple(Tried(**tried) for tried in one["tried"]))
            for name, one in values["policies"].items()
        }
        return cls(
            shop=Shop(**(shop | {"facts": ShopFacts.from_json(shop["facts"])})),
            fitting=FitSettings.from_json(values["fitting"]),
            verdicts=verdicts,
            # Who follows a source stands in the verdicts; selections of before that was asked for do not have it here.
            worths=tuple(
                Worth(**{**worth, "follower": followers.get(worth["source"], "")}) for worth in values["worths"]
            ),
            policies=policies,
            names=tuple(values["names"]),
        )


@dataclass(frozen=True, slots=True)
class Selections:
    """Kept selections, a file each below ``folder``, whole or absent; reuse: whether any may be used again."""

    folder: Path
    reuse: bool = True

    def fitting(self, shop: Shop) -> tuple[Selection | None, str]:
        """The newest that holds for ``shop``, or None and why there is none.

        One that was made on later data is none: it would know what ``shop`` cannot.
        """
        if not self.reuse:
            return None, ""
        known = [one for path in self._files() if (one := _read(path)) is not None and one.shop.kind == shop.kind]
        earlier = sorted((one for one in known if one.shop.at <= shop.at), key=lambda one: -one.shop.at)
        # The sort is stable: one of the very same data comes first, then the others by age.
        earlier.sort(key=lambda one: one.shop.data != shop.data)
        for one in earlier:
            if not one.objection(shop):
                return one, ""
        return None, earlier[0].objection(shop) if earlier else ""

    def keep(self, selection: Selection) -> None:
        """Keep it for the next rebuild. OSError where nothing can be written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        plain = selection.to_json()
        raw = canonical({"sha256": _sha256(plain), "selection": plain})
        handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        os.replace(temporary, self.folder / f"{selection.shop.kind[:16]}-{selection.shop.data[:16]}.json")
        for path in self._files()[MOST_KEPT:]:
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """Newest first, by the clock."""
        found = []
        for path in self.folder.glob("*.json"):
            try:
                found.append((-path.stat().st_mtime_ns, path))
            except OSError:
                continue  # another rebuild has just deleted it
        return [path for _, path in sorted(found)]


def _recipe(values: Mapping[str, Any]) -> Recipe | Mean:
    if "parts" in values:
        return Mean(str(values["name"]), tuple(Recipe(**part) for part in values["parts"]))
    return Recipe(**values)


def _read(path: Path) -> Selection | None:
    """None when it is damaged: it is simply made again."""
    try:
        values = parsed(path.read_bytes())
        if _sha256(values["selection"]) != values["sha256"]:
            return None
        return Selection.from_json(values["selection"])
    except _UNREADABLE:
        return None


def _sha256(plain: Any) -> str:
    return hashlib.sha256(canonical(plain)).hexdigest()
