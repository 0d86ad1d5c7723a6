"""A request in the caller's words, and its one translation into a Query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from recsys.arrays import Bool, Int32, frozen
from recsys.catalogue import Catalogue
from recsys.errors import InvalidRequest, NotFound, Violation
from recsys.filters.kept import Filters
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.query import Query, narrowed
from recsys.serving import Scope, ServingConfig

# Dividing one score among the features costs milliseconds.
MOST_DIVIDED = 20


@dataclass(frozen=True, slots=True)
class Ask:
    """What a caller may say. ``limit`` 0 means the serving config's page size; ``at`` is "now" in epoch seconds.

    divide_scores: scores will be divided among the features, so there are ``MOST_DIVIDED`` items at most.
    filter: AIP-160 over the catalogue's columns, "" allows every item · strict_filtering: rather a short page than one
    with items that do not pass.
    """

    at: int
    user_id: str = ""
    serving_config: str = "home"
    limit: int = 0
    exclude_item_ids: tuple[str, ...] = ()
    context_item_ids: tuple[str, ...] = ()
    include_out_of_stock: bool = False
    divide_scores: bool = False
    filter: str = ""
    strict_filtering: bool = True


@dataclass(frozen=True, slots=True)
class Resolved:
    """The query, and what the catalogue lacked of the ids the caller named (never an error)."""

    query: Query
    missing_ids: tuple[str, ...]
    warnings: tuple[str, ...]


class Known(Protocol):
    """The part of a snapshot that ids are resolved against."""

    @property
    def users(self) -> IdMap: ...
    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def histories(self) -> Histories: ...
    @property
    def configs(self) -> Mapping[str, ServingConfig]: ...
    @property
    def filters(self) -> Filters: ...
    @property
    def last_event_at(self) -> int: ...


def resolve(ask: Ask, known: Known) -> Resolved:
    """Numbers for ids, a mask for rules.

    NotFound for an unknown serving config or an unknown item to be similar to; InvalidRequest when the config needs a
    context item and none is named; FilterError when the filter cannot be read or does not fit the catalogue.
    """
    config = known.configs.get(ask.serving_config)
    if config is None:
        raise NotFound("serving_config", ask.serving_config)
    user = known.users.number(ask.user_id) if ask.user_id else None
    history = known.histories.of(user).before(ask.at)
    exclude, unknown_excluded = _numbers(known.catalogue.items, ask.exclude_item_ids)
    context, unknown_context = _numbers(known.catalogue.items, ask.context_item_ids)
    if config.needs_context and not ask.context_item_ids:
        rule = f"serving config {config.name!r} needs at least one context item, got none"
        raise InvalidRequest([Violation("context_item_ids", rule)])
    if config.needs_context and unknown_context:
        raise NotFound("item", unknown_context[0])
    owned = history.owned
    allowed = _allowed(known.catalogue, ask.include_out_of_stock, exclude, config.scope, owned)
    if config.needs_context:
        allowed[context] = False
    warnings = []
    filling = None
    if filtered := bool(ask.filter.strip()):
        passing = known.filters.mask(ask.filter)
        if not passing.any():
            warnings.append("no item of the catalogue passes the filter")
        elif not (passing & allowed).any():
            warnings.append(
                f"no item that passes the filter may be shown: stock, exclusions or {config.name} forbid it"
            )
        if not ask.strict_filtering:
            filling = frozen(allowed, np.bool_)
        allowed = allowed & passing
    limit = ask.limit or config.page_size
    query = Query(
        user_id=ask.user_id,
        user=user,
        history=history,
        allowed=frozen(allowed, np.bool_),
        owned=owned,
        limit=min(limit, MOST_DIVIDED) if ask.divide_scores else limit,
        at=ask.at,
        config=config,
        context_items=context,
        keep_features=ask.divide_scores,
        filtered=filtered,
        filling=filling,
    )
    if ask.at <= known.last_event_at:
        warnings.append(
            "at lies before the snapshot's last event: the history is cut there, the models have seen what came after"
        )
    return Resolved(query, (*unknown_excluded, *unknown_context), tuple(warnings))


def _numbers(items: IdMap, ids: tuple[str, ...]) -> tuple[Int32, tuple[str, ...]]:
    """Known numbers, and the ids that are not known; an id that comes twice counts once."""
    if not ids:
        return frozen([], np.int32), ()
    ids = tuple(dict.fromkeys(ids))
    numbers = items.numbers(ids)
    return numbers[numbers >= 0], tuple(ids[i] for i in np.flatnonzero(numbers < 0))


def _allowed(catalogue: Catalogue, out_of_stock: bool, exclude: Int32, scope: Scope, owned: Int32) -> Bool:
    allowed: Bool = np.ones(len(catalogue), bool) if out_of_stock else np.array(catalogue.in_stock)
    allowed[exclude] = False
    return narrowed(allowed, owned, scope)
