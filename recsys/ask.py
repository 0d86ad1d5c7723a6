"""A request in the caller's words, and its one translation into a Query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Bool, Float32, Int32, frozen
from recsys.asker import People
from recsys.catalogue import Catalogue
from recsys.draws import Draws
from recsys.errors import InvalidRequest, NotFound, Violation
from recsys.filters.kept import Filters, bits_at
from recsys.policies.pool import POOL
from recsys.policies.relevance import SPAN
from recsys.policy_settings import EXPLORATION, PROMOTIONS
from recsys.query import Hits, PolicyStep, Query, narrowed
from recsys.recent import RecentEvent
from recsys.serving import Scope, ServingConfig
from recsys.stores.records import Person

# Dividing one score among the features costs milliseconds.
MOST_DIVIDED = 20


@dataclass(frozen=True, slots=True)
class Ask:
    """What a caller may say. ``limit`` 0 means the serving config's page size; ``at`` is "now" in epoch seconds.

    divide_scores: scores will be divided among the features, so there are ``MOST_DIVIDED`` items at most.
    filter: AIP-160 over the catalogue's columns, "" allows every item · strict_filtering: rather a short page than one
    with items that do not pass · diversity: 0 to 1 in place of the serving config's, None = as there · account: the
    answer tells what each rule forbade and each policy moved · text: what a search is for · vector (d,): it by the
    encoder of the snapshot's texts, None without one: words alone then find · recent: what the user did that the
    snapshot does not know · person: who asks by a state store, who may be several rows of the snapshot; None: it is the
    user alone · is_now: ``at`` is the moment of asking and all that is kept has happened · platform: where they ask
    from, "" = where they were last.
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
    diversity: float | None = None
    account: bool = False
    recent: tuple[RecentEvent, ...] = ()
    text: str = ""
    vector: Float32 | None = None
    person: Person | None = None
    is_now: bool = False
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The query, and what the catalogue lacked of the ids the caller named (never an error).

    rules: what each rule took from the catalogue, one after the other, if the caller wants to know.
    """

    query: Query
    missing_ids: tuple[str, ...]
    warnings: tuple[str, ...]
    rules: tuple[PolicyStep, ...] = ()


class Known(Protocol):
    """The part of a snapshot that ids are resolved against."""

    @property
    def people(self) -> People: ...
    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def configs(self) -> Mapping[str, ServingConfig]: ...
    @property
    def filters(self) -> Filters: ...
    @property
    def last_event_at(self) -> int: ...
    def relevant(self, text: str, vector: Float32 | None, allowed: Bool) -> Hits: ...
    def new_items(self, allowed: Bool, at: int, max_age_days: float) -> Int32: ...


def resolve(ask: Ask, known: Known) -> Resolved:
    """Numbers for ids, a mask for rules.

    NotFound for an unknown serving config or an unknown item to be similar to; InvalidRequest when the config needs a
    context item or a text and none is named, or a text is named that it does not need; FilterError when the filter
    cannot be read or does not fit the catalogue.
    """
    config = known.configs.get(ask.serving_config)
    if config is None:
        raise NotFound("serving_config", ask.serving_config)
    if ask.diversity is not None:
        # At 1 a copy of the best is worth no more than the last of the pool: it comes when nothing else is left.
        config = config.varied(SPAN * ask.diversity)
    if config.needs_query and not ask.text.strip():
        raise InvalidRequest([Violation("query", f"serving config {config.name!r} needs a query, got none")])
    if ask.text and not config.needs_query:
        raise InvalidRequest([Violation("query", f"serving config {config.name!r} takes no query: ask one that does")])
    person = ask.person or Person(ask.user_id)
    asker = known.people.asker(person, ask.recent, at=ask.at, is_now=ask.is_now, platform=ask.platform)
    recent, history = asker.recent, asker.recent.history
    exclude, unknown_excluded = _numbers(known.catalogue, ask.exclude_item_ids)
    context, unknown_context = _numbers(known.catalogue, ask.context_item_ids)
    if config.needs_context and not ask.context_item_ids:
        rule = f"serving config {config.name!r} needs at least one context item, got none"
        raise InvalidRequest([Violation("context_item_ids", rule)])
    if config.needs_context and unknown_context:
        raise NotFound("item", unknown_context[0])
    owned = history.owned
    rules = _Rules(np.ones(len(known.catalogue), bool), ask.account)
    if len(known.catalogue.gone):
        rules.remove("deleted", known.catalogue.gone)
    if not ask.include_out_of_stock:
        rules.keep("stock", known.catalogue.in_stock)
    if len(exclude):
        rules.remove("exclude", exclude)
    if config.scope is Scope.NEW:
        rules.remove("scope", owned)
    elif config.scope is Scope.OWNED:
        rules.keep("scope", narrowed(rules.allowed, owned, config.scope))
    if config.needs_context:
        rules.remove("context", context)
    if config.filter:
        rules.keep("serving_filter", known.filters.mask(config.filter))
    allowed = rules.allowed
    warnings = [f"the snapshot knows no events of type {name!r}: they count nothing" for name in recent.unknown_types]
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
            filling = frozen(allowed.copy(), np.bool_)
        rules.keep("filter", passing)
        allowed = rules.allowed
    relevant = None
    if config.needs_query:
        relevant = known.relevant(ask.text, ask.vector, allowed)
        rules.only("query", relevant.items)
        allowed = rules.allowed
        if filling is not None:
            filling = _mask(known.relevant(ask.text, ask.vector, filling).items, len(filling))
        if not len(relevant) and (filling is None or not filling.any()):
            warnings.append("nothing that may be shown has a word of the query or is near it in meaning")
    limit = ask.limit or config.page_size
    limit = min(limit, MOST_DIVIDED) if ask.divide_scores else limit
    promotions = config.promotions if PROMOTIONS in config.policies else ()
    promoted = tuple(known.filters.bits(promotion.filter) for promotion in promotions)
    query = Query(
        user_id=ask.user_id,
        user=asker.user,
        history=history,
        allowed=frozen(allowed, np.bool_),
        owned=owned,
        limit=limit,
        at=ask.at,
        config=config,
        context_items=context,
        keep_features=ask.divide_scores,
        filtered=filtered,
        filling=filling,
        promoted=promoted,
        account=limit if ask.account else 0,
        relevant=relevant,
        profile=asker.profile,
        selves=asker.selves,
        platform=asker.platform,
        draws=_draws(ask, config, allowed, promoted, known) if EXPLORATION in config.active else None,
    )
    if ask.at <= known.last_event_at:
        warnings.append(
            "at lies before the snapshot's last event: the history is cut there, the models have seen what came after"
        )
    missing_ids = (*unknown_excluded, *unknown_context, *recent.missing_ids)
    return Resolved(query, missing_ids, tuple(warnings), tuple(rules.told))


def _draws(
    ask: Ask, config: ServingConfig, allowed: Bool, promoted: tuple[NDArray[np.uint8], ...], known: Known
) -> Draws | None:
    """What chance gives which places: new items that are ``allowed`` and that no promotion has places for.

    The same to the same question, page by page. The snapshot has no part in it: golden questions are asked before it
    has a name, and what comes meanwhile should not stir the rest of a list.
    """
    if config.exploration is None:
        return None
    items = known.new_items(allowed, ask.at, config.exploration.max_age_days)
    for bits in promoted:
        items = items[~bits_at(bits, items)]
    question = (ask.user_id, ask.at, config.name, ask.context_item_ids, ask.text)
    return Draws.of(question, items, share=config.exploration.share, n_places=POOL)


def _numbers(catalogue: Catalogue, ids: tuple[str, ...]) -> tuple[Int32, tuple[str, ...]]:
    """Known numbers, and the ids that are not known, or not any more; an id that comes twice counts once."""
    if not ids:
        return frozen([], np.int32), ()
    ids = tuple(dict.fromkeys(ids))
    numbers = catalogue.items.numbers(ids)
    numbers[np.isin(numbers, catalogue.gone)] = -1
    return numbers[numbers >= 0], tuple(ids[i] for i in np.flatnonzero(numbers < 0))


def _mask(items: Int32, n_items: int) -> Bool:
    mask = np.zeros(n_items, np.bool_)
    mask[items] = True
    return mask


@dataclass(slots=True)
class _Rules:
    """allowed (n_items,): what all rules so far allow, the caller's own · told: what each took away, if counted."""

    allowed: Bool
    counted: bool
    told: list[PolicyStep] = field(default_factory=list)

    def keep(self, name: str, mask: Bool) -> None:
        """Only what ``mask`` (n_items,) allows stays."""
        before = np.count_nonzero(self.allowed) if self.counted else 0
        self.allowed &= mask
        self._tell(name, before)

    def remove(self, name: str, items: Int32) -> None:
        """Items ``items`` go."""
        before = np.count_nonzero(self.allowed) if self.counted else 0
        self.allowed[items] = False
        self._tell(name, before)

    def only(self, name: str, items: Int32) -> None:
        """Nothing but ``items`` stays."""
        self.keep(name, _mask(items, len(self.allowed)))

    def _tell(self, name: str, before: int) -> None:
        if self.counted:
            self.told.append(PolicyStep(name, n_removed=int(before - np.count_nonzero(self.allowed))))
