"""Filters that fit a schema, ready to be evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recsys.arrays import Bool
from recsys.errors import FilterError
from recsys.filters.columns import Columns, Schema, TextLists, Texts
from recsys.filters.expressions import And, Comparison, Expression, Not, Or, Value, Word, leaves
from recsys.filters.grammar import parse
from recsys.filters.literals import shown

MOST_NAMES_SHOWN = 12
# A search reads every distinct text, 30 to 80 ms for a million titles; all else costs a few at most.
MOST_SEARCHES = 32
_Mask = Callable[[Columns], Bool]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A compiled filter. It holds no column: one predicate serves all columns of the schema it was compiled against."""

    compute: _Mask

    def mask(self, columns: Columns) -> Bool:
        """Which items satisfy the filter; (n_items,) bool, the caller's own."""
        return self.compute(columns)


def compile_filter(text: str, schema: Schema) -> Predicate:
    """The predicate of filter ``text``; an empty one is true of every item.

    A missing value satisfies no ``=``, ``:`` or order. ``!=`` is ``NOT =``, true where the value is missing (AIP-160:
    "true unless"), and NOT turns the whole mask: ``NOT price < 3`` has the items without a price. ``field:*`` is true
    where there is a value. FilterError on bad syntax, an unknown field, and a value that does not fit its field.
    """
    expression = parse(text)
    _check_searches(expression, schema)
    return Predicate(_compiled(expression, schema))


def _check_searches(expression: Expression, schema: Schema) -> None:
    """FilterError on the search that is one too many; a word without a field counts once for each searched field."""
    n_searches = 0
    for leaf in leaves(expression):
        if isinstance(leaf, Word):
            n_searches += len(schema.searched)
        elif schema.kinds.get(leaf.field) in (Texts, TextLists) and not leaf.value.is_anything:
            # Of a list : compares whole entries, which is cheap.
            searches = leaf.comparator == ":" and schema.kinds[leaf.field] is Texts
            n_searches += searches or leaf.value.any_before
        if n_searches > MOST_SEARCHES:
            problem = (
                f"the filter must search texts at most {MOST_SEARCHES} times, by : or a leading * or by words alone"
            )
            raise FilterError(problem, leaf.value.position)


def _compiled(expression: Expression, schema: Schema) -> _Mask:
    match expression:
        case And(parts):
            return _every([_compiled(part, schema) for part in parts])
        case Or(parts):
            return _some([_compiled(part, schema) for part in parts])
        case Not(part):
            return _negated(_compiled(part, schema))
        case Word(value):
            return _searched(value, schema)
        case Comparison(comparator="!="):
            return _negated(_compared(replace(expression, comparator="="), schema))
        case Comparison():
            return _compared(expression, schema)


def _compared(comparison: Comparison, schema: Schema) -> _Mask:
    name, comparator = comparison.field, comparison.comparator
    kind = schema.kinds.get(name)
    if kind is None:
        raise FilterError(f"unknown field {shown(name)}", comparison.position, hint=_names(schema))
    if comparator == ":" and comparison.value.is_anything:
        return lambda columns: columns.by_name[name].present()
    operand = kind.operand(comparison)
    return lambda columns: columns.by_name[name].select(comparator, operand)


def _searched(value: Value, schema: Schema) -> _Mask:
    """A word without a field. A field's name alone is refused: what was meant is hardly the word."""
    if value.text in schema.kinds and not value.quoted:
        hint = f"compare it, as in {value.text}:*, or put the word in quotes"
        raise FilterError(f"{value.text} is a field", value.position, hint=hint)
    if not schema.searched:
        raise FilterError(f"{shown(value.text)} needs a field to be compared with", value.position)
    return _some([_compared(Comparison(name, ":", value, value.position), schema) for name in schema.searched])


def _names(schema: Schema) -> str:
    names = sorted(schema.kinds)
    more = len(names) - MOST_NAMES_SHOWN
    return f"there are {', '.join(names[:MOST_NAMES_SHOWN])}" + (f" and {more} more" if more > 0 else "")


def _every(masks: Sequence[_Mask]) -> _Mask:
    def compute(columns: Columns) -> Bool:
        result = np.ones(columns.n_items, np.bool_)
        for mask in masks:
            result &= mask(columns)
            # What follows can cost a search of every title, and add nothing.
            if not result.any():
                break
        return result

    return compute


def _some(masks: Sequence[_Mask]) -> _Mask:
    def compute(columns: Columns) -> Bool:
        result = np.zeros(columns.n_items, np.bool_)
        for mask in masks:
            result |= mask(columns)
            if result.all():
                break
        return result

    return compute


def _negated(mask: _Mask) -> _Mask:
    return lambda columns: ~mask(columns)
