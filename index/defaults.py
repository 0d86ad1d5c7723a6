"""What recsys.toml leaves open, worked out from the data and said aloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from index.cells import is_list, joined
from index.horizon import HORIZONS_DAYS, horizon_days
from index.items import attribute_columns, category_prefixes, levels
from index.settings import Settings
from recsys.errors import InputError

TARGET_WEIGHT = 1.0
# What was taken back tells of no liking.
TAKEN_BACK = {"remove_from_cart": 0.0, "return": 0.0, "refund": 0.0}
WEIGHTS = {"add_to_cart": 0.5, "view": 0.1, "search": 0.05, **TAKEN_BACK}
OTHER_WEIGHT = 0.2
TEXT_COLUMNS = ("title", "description", "category", "brand")
MOST_ATTRIBUTES = 6
# A family pays when its groups hold a few items, and when enough items have a group at all.
ITEMS_A_LABEL = 4
SMALLEST_KNOWN_SHARE = 0.05
# An attribute that one family determines, with nearly as many labels, is that family under another name.
SAME_LABELS_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided, for whom to read: ``setting`` as recsys.toml spells it, its value and the reason in words."""

    setting: str
    value: str
    why: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.value} ({self.why})"


def work_out_defaults(
    settings: Settings, events: pl.DataFrame, items: pl.DataFrame | None
) -> tuple[Settings, tuple[Choice, ...]]:
    """``settings`` with nothing left open, and what was chosen and why.

    events, items: cleaned. Raises InputError when the settings name event types or columns that do not exist.
    """
    present = _event_types(events)
    targets, why = _target_types(settings.events.target_types, present)
    weights = {kind: _weight(kind, targets, settings) for kind in present}
    text = _text_columns(settings.text.columns, items)
    codes = _code_columns(settings.features.codes, items)
    days, horizon = _horizon(settings, events, targets)
    choices = (
        Choice("events.target_types", ", ".join(targets), why),
        _weights_choice(weights, settings),
        *_least_value(settings, events),
        _text_choice(text, settings),
        _codes_choice(codes, settings),
        *horizon,
    )
    resolved = replace(
        settings,
        events=replace(settings.events, target_types=targets, weights=weights),
        text=replace(settings.text, columns=text),
        features=replace(settings.features, codes=codes),
        training=replace(settings.training, horizon_days=days),
    )
    return resolved, choices


def _weights_choice(weights: Mapping[str, float], settings: Settings) -> Choice:
    named = [kind for kind in weights if kind in settings.events.weights]
    why = f"{' and '.join(named)} as configured" if named else "by what an event of its type usually tells"
    why += _no_event_is([kind for kind in settings.events.weights if kind not in weights])
    return Choice("events.weights", ", ".join(f"{kind} {weight:g}" for kind, weight in weights.items()), why)


def _no_event_is(kinds: Sequence[str]) -> str:
    """What to add where types are configured that do not occur: they may be misspelt, or not have come yet."""
    return f"; no event is {' or '.join(kinds)}" if kinds else ""


def _least_value(settings: Settings, events: pl.DataFrame) -> tuple[Choice, ...]:
    """Said where a least value is asked of events that have none."""
    least = settings.events.min_value
    if least is None or _has_any(events["value"]):
        return ()
    return (Choice("events.min_value", f"{least:g}", "as configured; no event has a value, so none is below"),)


def _text_choice(text: Sequence[str], settings: Settings) -> Choice:
    why = "as configured" if settings.text.columns is not None else "the usual columns that hold any"
    return Choice("text.columns", ", ".join(text) or "none", why if text else "so content has nothing to say")


def _codes_choice(codes: Sequence[str], settings: Settings) -> Choice:
    why = "as configured" if settings.features.codes is not None else "attributes that group items"
    why = why if codes or settings.features.codes is not None else "no attribute groups items"
    return Choice("features.codes", ", ".join(codes) or "none", f"{why}, beside category levels and brand")


def _horizon(settings: Settings, events: pl.DataFrame, targets: Sequence[str]) -> tuple[int, tuple[Choice, ...]]:
    """Days of a window, and what to say where they are fewer than usual."""
    if settings.training.horizon_days is not None:
        return settings.training.horizon_days, ()
    days, known, a_day = horizon_days(events, targets)
    if days == HORIZONS_DAYS[0]:
        return days, ()
    why = f"of what is taken {known:.0%} is known so far ahead, a day ahead {a_day:.0%}"
    return days, (Choice("training.horizon_days", str(days), why),)


def _event_types(events: pl.DataFrame) -> list[str]:
    """Event types that occur, the most frequent first."""
    counts = events.group_by("event_type").len().with_columns(pl.col("event_type").cast(pl.String))
    return counts.sort(["len", "event_type"], descending=[True, False])["event_type"].to_list()


def _target_types(chosen: Sequence[str], present: Sequence[str]) -> tuple[tuple[str, ...], str]:
    if chosen:
        there = tuple(kind for kind in chosen if kind in present)
        if not there:
            raise InputError(
                f"events.target_types {', '.join(chosen)} occur in no event; the types there are {', '.join(present)}"
            )
        missing = [kind for kind in chosen if kind not in present]
        return there, f"as configured{_no_event_is(missing)}"
    if "purchase" in present:
        return ("purchase",), "since there are purchases"
    return tuple(present), "all there are, since there are no purchases"


def _weight(kind: str, targets: Sequence[str], settings: Settings) -> float:
    default = TARGET_WEIGHT if kind in targets else WEIGHTS.get(kind, OTHER_WEIGHT)
    return settings.events.weights.get(kind, default)


def _text_columns(chosen: Sequence[str] | None, items: pl.DataFrame | None) -> tuple[str, ...]:
    columns = [] if items is None else [name for name in items.columns if name != "item_id"]
    if chosen is None:
        return tuple(name for name in TEXT_COLUMNS if name in columns and items is not None and _has_any(items[name]))
    _require(chosen, [name for name in columns if items is None or _is_worded(items.schema[name])], "text.columns")
    return tuple(chosen)


def _is_worded(dtype: pl.DataType) -> bool:
    return dtype == pl.String or is_list(dtype)


def _code_columns(chosen: Sequence[str] | None, items: pl.DataFrame | None) -> tuple[str, ...]:
    attributes = [] if items is None else attribute_columns(items)
    if chosen is not None:
        _require(chosen, attributes, "features.codes")
        return tuple(chosen)
    if items is None:
        return ()
    families = _standing_families(items)
    picked: list[str] = []
    for name in attributes:
        column = items.select(joined(name, items.schema[name])).to_series()
        if len(picked) == MOST_ATTRIBUTES or not _groups_well(column):
            continue
        if any(_says_the_same(family, column) for family in families):
            continue
        picked.append(name)
        families.append(column)
    return tuple(picked)


def _standing_families(items: pl.DataFrame) -> list[pl.Series]:
    return [*category_prefixes(levels(items["category"])), items["brand"]]


def _groups_well(column: pl.Series) -> bool:
    known = column.drop_nulls()
    if known.len() < SMALLEST_KNOWN_SHARE * column.len() or known.str.contains(r"^[+-]?\d+\.\d+$").any():
        return False
    return 2 <= known.n_unique() <= max(2, known.len() // ITEMS_A_LABEL)


def _says_the_same(family: pl.Series, column: pl.Series) -> bool:
    """Whether ``family`` determines ``column`` and is hardly finer than it."""
    pairs = pl.DataFrame([family.alias("family"), column.alias("column")]).drop_nulls()
    if not pairs.height:
        return False
    n_family, n_column = pairs["family"].n_unique(), pairs["column"].n_unique()
    return pairs.n_unique() == n_family and n_column >= SAME_LABELS_SHARE * n_family


def _has_any(column: pl.Series) -> bool:
    return column.null_count() < column.len()


def _require(chosen: Sequence[str], columns: Sequence[str], key: str) -> None:
    for name in chosen:
        if name not in columns:
            raise InputError(
                f"{key} names {name!r}, which the items table lacks; it has {', '.join(columns) or 'none'}"
            )
