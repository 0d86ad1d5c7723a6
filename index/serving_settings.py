"""Serving configs that a recsys.toml declares: a built-in one by another name, with what shall differ."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from index.policy_tables import caps, exploration, filter_text, freshness, order, promotions
from index.toml_values import Reader, number, one_of, section, text, whole
from recsys.errors import InputError
from recsys.pipeline import NEWCOMERS
from recsys.policy_settings import POLICIES, CapSettings, ExplorationSettings, FreshnessSettings, Promotion
from recsys.serving import Depth, Scope, ServingConfig, built_in

BASES: tuple[str, ...] = tuple(built_in())
SOURCES: tuple[str, ...] = tuple(dict.fromkeys(d.source for config in built_in().values() for d in config.depths))
# Under this the manifest keeps the fusion of who has no history.
RESERVED = (NEWCOMERS,)
# Each answers five golden queries whenever a snapshot is loaded.
MOST_DECLARED = 64
# 200 to 300 candidates carry all of NDCG@10; more cost time in every answer.
DEEPEST = 1000
LARGEST_PAGE = 200
LONGEST_DESCRIPTION = 500
_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """What a declared serving config changes of ``base``, a built-in one; None = as there.

    sources: hits by source, and no others are asked · scope: what may be shown at all, ``any``, ``new`` or ``owned`` ·
    diversity, spread and relevance in log-odds, policies, freshness, caps, promotions, filter and exploration as in
    ``ServingConfig``.
    """

    base: str
    description: str | None = None
    page_size: int | None = None
    scope: str | None = None
    sources: Mapping[str, int] | None = None
    diversity: float | None = None
    spread: float | None = None
    policies: tuple[str, ...] | None = None
    freshness: FreshnessSettings | None = None
    caps: CapSettings | None = None
    promotions: tuple[Promotion, ...] | None = None
    relevance: float | None = None
    filter: str | None = None
    exploration: ExplorationSettings | None = None

    def on(self, name: str, base: ServingConfig) -> ServingConfig:
        """The serving config ``name`` on ``base`` as validation weighted it: what is not said follows the data."""
        given = {
            "description": self.description,
            "page_size": self.page_size,
            "diversity": self.diversity,
            "spread": self.spread,
            "relevance": self.relevance,
            "policies": self.policies,
            "freshness": self.freshness,
            "caps": self.caps,
            "promotions": self.promotions,
            "filter": self.filter,
            "exploration": self.exploration,
            "scope": None if self.scope is None else Scope(self.scope),
        }
        changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
        return replace(base, name=name, depths=self._depths(base), **changes)

    def filters(self, key: str) -> dict[str, str]:
        """Every filter by the key that declares it; ``key`` is that of this table."""
        promoted = {f"{key}.promotions[{n}].filter": one.filter for n, one in enumerate(self.promotions or ())}
        return {f"{key}.filter": self.filter, **promoted} if self.filter else promoted

    def _depths(self, base: ServingConfig) -> tuple[Depth, ...]:
        depths = base.depths
        if self.sources is not None:
            scopes = {depth.source: depth.scope for depth in depths}
            depths = tuple(Depth(source, k, scopes.get(source, Scope.ANY)) for source, k in self.sources.items())
        if self.scope == Scope.OWNED:
            # What is shown is owned already: a source that looks only among new items would never answer.
            depths = tuple(replace(depth, scope=Scope.ANY) for depth in depths)
        return depths


def serving(values: Any, name: str) -> dict[str, ServingSettings]:
    """What ``[serving.<name>]`` declares, by name. InputError for a name that is taken or no name, and for bad keys."""
    if not isinstance(values, Mapping):
        raise InputError(f"{name} must be a table, got {values!r}")
    if len(values) > MOST_DECLARED:
        raise InputError(f"{name} must declare at most {MOST_DECLARED} serving configs, got {len(values)}")
    return {key: _declared(value, name, key) for key, value in values.items()}


def _declared(values: Any, name: str, key: str) -> ServingSettings:
    if key in BASES:
        raise InputError(f'{name}.{key} is built in: declare another name with base = "{key}"')
    if key in RESERVED:
        raise InputError(f"{name}.{key} is a reserved name: choose another")
    if not _NAME.fullmatch(key):
        raise InputError(
            f"{name} has the name {key!r}; a name has at most 64 lower-case letters, digits and hyphens and begins "
            "with a letter"
        )
    if isinstance(values, Mapping) and "base" not in values:
        raise InputError(f"{name}.{key} lacks base; allowed are {', '.join(BASES)}")
    declared: ServingSettings = section(ServingSettings, values, f"{name}.{key}", _READERS)
    for policy in POLICIES:
        if declared.policies is not None and policy not in declared.policies and getattr(declared, policy):
            raise InputError(f"{name}.{key}.policies leaves out {policy}, which {name}.{key}.{policy} sets")
    return declared


def _description(value: Any, name: str) -> str:
    if len(found := text(value, name)) > LONGEST_DESCRIPTION:
        raise InputError(f"{name} must have at most {LONGEST_DESCRIPTION} characters, got {len(found)}")
    return found


def _sources(value: Any, name: str) -> dict[str, int]:
    found: dict[str, int] = section(dict, value, name, dict.fromkeys(SOURCES, whole(1, DEEPEST)))
    if not found:
        raise InputError(f"{name} must name at least one source, of {', '.join(SOURCES)}")
    return found


_READERS: Mapping[str, Reader] = {
    "base": one_of(BASES),
    "description": _description,
    "page_size": whole(1, LARGEST_PAGE),
    "scope": one_of(tuple(Scope)),
    "sources": _sources,
    "diversity": number(0.0),
    "spread": number(0.0),
    "relevance": number(0.0),
    "policies": order,
    "freshness": freshness,
    "caps": caps,
    "promotions": promotions,
    "filter": filter_text,
    "exploration": exploration,
}
