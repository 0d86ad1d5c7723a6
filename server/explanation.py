"""The account of an answer as it travels: sources, reasons in words, and the parts of the scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from protos.recommender.v1.recommendation_service_pb2 import Contribution, Reason, RecommendResult, SourceHit
from recsys.arrays import Float64
from recsys.catalogue import Catalogue
from recsys.features.groups import GROUPS
from recsys.model import Snapshot
from recsys.query import Query, Recommendation
from recsys.reasons import Reason as Told
from recsys.reasons import reasons as reasons_of
from server.wording import Wording

# What a score is without any feature.
BIAS = "bias"


@dataclass(frozen=True, slots=True)
class _Named:
    """Titles and ids of all items that the reasons of an answer name, looked up in one go."""

    titles: Mapping[int, str]
    ids: Mapping[int, str]

    @classmethod
    def of(cls, catalogue: Catalogue, given: Iterable[Iterable[Told]]) -> _Named:
        numbers = list({item for reasons in given for reason in reasons for item in reason.items.tolist()})
        titles, ids = catalogue.titles.many(numbers), catalogue.items.ids(numbers)
        return cls(dict(zip(numbers, titles, strict=True)), dict(zip(numbers, ids, strict=True)))

    def titles_of(self, reason: Told) -> list[str]:
        return [self.titles[item] for item in reason.items.tolist()]

    def ids_of(self, reason: Told) -> list[str]:
        return [self.ids[item] for item in reason.items.tolist()]


def explain(
    results: Sequence[RecommendResult],
    snapshot: Snapshot,
    query: Query,
    recommendation: Recommendation,
    wording: Wording,
) -> None:
    """Fill in where ``results`` come from and why, in the language of ``wording``."""
    provenance, target_types = recommendation.provenance, snapshot.target_types
    rows = zip(provenance.ranks.tolist(), provenance.scores.tolist(), strict=True)
    given = reasons_of(snapshot.model.context, snapshot.pipeline.sources, query, recommendation)
    named = _Named.of(snapshot.catalogue, given)
    for result, (ranks, scores), reasons in zip(results, rows, given, strict=True):
        hits = [
            SourceHit(name=name, rank=int(rank) + 1, score=score)
            for name, rank, score in zip(provenance.names, ranks, scores, strict=True)
            if not math.isnan(rank)
        ]
        # The sort is stable: equal ranks stay in the snapshot's order of sources.
        result.sources.extend(sorted(hits, key=lambda hit: hit.rank))
        result.reasons.extend(
            Reason(
                code=reason.code,
                text=wording.text(reason, named.titles_of(reason), target_types),
                item_ids=named.ids_of(reason),
            )
            for reason in reasons
        )


def divide(results: Sequence[RecommendResult], contributions: Float64) -> None:
    """Fill in the parts of the scores, (N, len(GROUPS) + 1) as ``Snapshot.contributions`` gives them."""
    for result, values in zip(results, contributions.tolist(), strict=True):
        parts = zip((*GROUPS, BIAS), values, strict=True)
        result.contributions.extend(Contribution(group=group, value=value) for group, value in parts)
