"""Policies as a recsys.toml declares them for a serving config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from index.toml_values import Reader, number, section, text, texts, whole
from recsys.errors import FilterError, InputError
from recsys.filters.grammar import parse
from recsys.filters.kept import Filters
from recsys.policy_settings import (
    LARGEST_SHARE,
    MOST_PROMOTIONS,
    POLICIES,
    SCREEN,
    CapSettings,
    ExplorationSettings,
    FreshnessSettings,
    Promotion,
    check_order,
    check_promotions,
)

LONGEST_NAME = 128
DEEPEST_LEVEL = 20
T = TypeVar("T")


def order(value: Any, name: str) -> tuple[str, ...]:
    """The names of policies in the order in which they are applied. InputError on one that there is not."""
    if isinstance(value, list) and len(value) > len(POLICIES):
        raise InputError(f"{name} must name at most {len(POLICIES)} policies, got {len(value)}")
    found = texts(value, name)
    _sound(name, lambda: check_order(found))
    return found


def freshness(value: Any, name: str) -> FreshnessSettings:
    """``{ weight, half_life_days }``, the second one optional."""
    readers = {"weight": number(0.0), "half_life_days": number(0.0)}
    return _made(FreshnessSettings, value, name, readers, needed=("weight",))


def exploration(value: Any, name: str) -> ExplorationSettings:
    """``{ share, max_age_days }``, the second one optional."""
    readers = {"share": number(0.0, LARGEST_SHARE), "max_age_days": number(0.0)}
    return _made(ExplorationSettings, value, name, readers, needed=("share",))


def caps(value: Any, name: str) -> CapSettings:
    """``{ category, brand, level }``, one of the first two needed."""
    most = whole(1, SCREEN)
    readers = {"category": most, "brand": most, "level": whole(1, DEEPEST_LEVEL)}
    return _made(CapSettings, value, name, readers)


def promotions(value: Any, name: str) -> tuple[Promotion, ...]:
    """A list of ``{ name, filter, share, slots }``, one of the last two needed."""
    if not isinstance(value, list):
        raise InputError(f"{name} must be a list of tables, got {value!r}")
    if len(value) > MOST_PROMOTIONS:
        raise InputError(f"{name} must be at most {MOST_PROMOTIONS}, got {len(value)}")
    found = tuple(_promotion(one, f"{name}[{position}]") for position, one in enumerate(value))
    _sound(name, lambda: check_promotions(found))
    return found


def _promotion(value: Any, name: str) -> Promotion:
    readers: Mapping[str, Reader] = {"name": _name, "filter": filter_text, "share": number(0.0, 1.0), "slots": _slots}
    return _made(Promotion, value, name, readers, needed=("name", "filter"))


def _name(value: Any, name: str) -> str:
    if len(found := text(value, name)) > LONGEST_NAME:
        raise InputError(f"{name} must have at most {LONGEST_NAME} characters, got {len(found)}")
    return found


def filter_text(value: Any, name: str) -> str:
    """A filter whose grammar is right; whether its fields exist only the catalogue can tell, see ``check_filters``."""
    try:
        parse(found := text(value, name))
    except FilterError as error:
        raise InputError(f"{name}: {error}") from error
    return found


def _slots(value: Any, name: str) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > SCREEN:
        raise InputError(f"{name} must be a list of at most {SCREEN} places, got {str(value)[:60]}")
    place = whole(1, SCREEN)
    return tuple(place(one, f"{name}[{position}]") for position, one in enumerate(value))


def _made(cls: Callable[..., T], value: Any, name: str, readers: Mapping[str, Reader], needed: Sequence[str] = ()) -> T:
    found: dict[str, Any] = section(dict, value, name, readers)
    for key in needed:
        if key not in found:
            raise InputError(f"{name} lacks {key}")
    return _sound(name, lambda: cls(**found))


def _sound(name: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error


def check_filters(declared: Mapping[str, str], filters: Filters) -> None:
    """Nothing when all filters, by the key that declares them, fit the catalogue of ``filters``, else InputError."""
    for key, found in declared.items():
        try:
            filters.check(found)
        except FilterError as error:
            raise InputError(f"{key}: {error}") from error
