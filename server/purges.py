"""Which events to purge: a filter in the grammar of all filters, of which plain conditions make sense here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from recsys.errors import FilterError
from recsys.filters.expressions import And, Comparison, Expression, Not, Or, Word
from recsys.filters.grammar import parse
from recsys.filters.literals import shown
from recsys.stores.records import EventFilter

TIME = "timestamp"
IDS = ("user_id", "visitor_id", "event_type", "item_id")
_HINT = f"known are {', '.join(IDS)} with =, {TIME} with <, <=, > and >=, joined by AND, and * for all events"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def event_filter(text: str) -> EventFilter:
    """What ``text`` asks for. FilterError, with the position, on anything that is no plain condition on an event."""
    tree = parse(text)
    if tree == And(()):
        raise FilterError("the filter must not be empty", 0, hint="* means all events")
    if isinstance(tree, Word) and tree.value.is_anything and not tree.value.quoted:
        return EventFilter()
    ids: dict[str, str] = {}
    since: list[int] = []
    until: list[int] = []
    for condition in _conditions(tree):
        value = condition.value
        if condition.field == TIME:
            time_us = _microseconds(condition)
            match condition.comparator:
                case ">=":
                    since.append(time_us)
                case ">":
                    since.append(time_us + 1)
                case "<":
                    until.append(time_us)
                case "<=":
                    until.append(time_us + 1)
                case _:
                    raise _no_condition(condition)
        elif condition.field not in IDS or condition.comparator != "=":
            raise _no_condition(condition)
        elif value.any_before or value.any_after:
            raise FilterError("a * stands for nothing here but alone", value.position, hint=_HINT)
        elif condition.field in ids:
            raise FilterError(f"{condition.field} must be compared once", condition.position)
        else:
            ids[condition.field] = value.text
    return EventFilter(**ids, since_us=max(since, default=None), until_us=min(until, default=None))


def _conditions(tree: Expression) -> Iterator[Comparison]:
    match tree:
        case And(parts):
            for part in parts:
                yield from _conditions(part)
        case Comparison():
            yield tree
        case Word(value):
            raise FilterError(f"{shown(value.text or '*')} is no condition on an event", value.position, hint=_HINT)
        case Or() | Not():
            raise FilterError("OR and NOT are not for purges", _position(tree), hint=_HINT)


def _position(tree: Expression) -> int:
    """Of what comes first in ``tree``."""
    match tree:
        case And(parts) | Or(parts):
            return _position(parts[0])
        case Not(part):
            return _position(part)
        case Word(value):
            return value.position
        case Comparison():
            return tree.position


def _no_condition(condition: Comparison) -> FilterError:
    what = f"{shown(condition.field)} {condition.comparator} is no condition on an event"
    return FilterError(what, condition.position, hint=_HINT)


def _microseconds(condition: Comparison) -> int:
    value = condition.value
    try:
        time = datetime.fromisoformat(value.text)
        if value.any_before or value.any_after or "T" not in value.text.upper():
            raise ValueError(value.text)
        return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        problem = f"{shown(value.text)} is no time such as 2026-01-01T00:00:00Z"
        raise FilterError(problem, value.position) from None
