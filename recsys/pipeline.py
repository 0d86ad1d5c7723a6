"""The online path in one place: retrieve, unite, assemble, rank, apply policies, cut."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int64, frozen
from recsys.budget import Budget
from recsys.context import Context
from recsys.features.assemble import Family, assemble, feature_names
from recsys.features.groups import GROUPS, groups_of
from recsys.fusion import FOREST, RECIPROCAL_RANK, Fusion
from recsys.policies.chain import NOTHING_SELECTED, Selected, applied, steps_of
from recsys.policies.pool import POOL
from recsys.policies.screens import SCREEN
from recsys.query import (
    EMPTY_HITS,
    Candidates,
    Hits,
    Provenance,
    Query,
    Recommendation,
    Slate,
    Stage,
    narrowed,
)
from recsys.ranker import Additive, Ranker, RankFusion
from recsys.serving import Depth, Scope
from recsys.sources.drawn import with_drawn
from recsys.sources.promoted import Offer, offered
from recsys.sources.protocol import Source
from recsys.sources.relevance import RELEVANCE, relevance_of, terms
from recsys.union import FILLING, NOTHING, behind, filled, unite

LOG = logging.getLogger(__name__)
# What fills a list is ranked this many places at a time, so that a page is the beginning of a longer page.
FILLING_BLOCK = 100
# The ranker that takes the place of a config's own for who has no history, in snapshots that have one of that name.
NEWCOMERS = "newcomers"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Sources, features and rankers of one snapshot; the order of ``sources`` is that of the feature columns."""

    context: Context
    sources: Mapping[str, Source]
    families: tuple[Family, ...]
    rankers: Mapping[str, Ranker]
    fusions: Mapping[str, Fusion]

    def recommend(self, query: Query, budget: Budget | None = None) -> Recommendation:
        """The answer to one query."""
        return self.recommend_many([query], budget)[0]

    def recommend_many(self, queries: Sequence[Query], budget: Budget | None = None) -> list[Recommendation]:
        """The answers to ``queries``, each the same as if asked alone: features and scores are computed in one go.

        Where ``budget`` leaves no time, sources are skipped, then the ranking: all of ``queries`` are then answered in
        the order of their sources' reciprocal ranks, without features. None is all the time in the world.
        """
        if not queries:
            return []
        start = perf_counter()
        retrieved = [self._retrieve(query, budget) for query in queries]
        offers = [self._offer(query, found) for query, (found, _, _) in zip(queries, retrieved, strict=True)]
        candidates = [offer.candidates for offer in offers]
        after_retrieval = perf_counter()
        names = [self.ranker_of(query) for query in queries]
        n_rows = sum(map(len, candidates))
        is_ranked = budget is None or budget.allows_ranking(set(names), n_rows)
        features: Float32 | None = None
        if is_ranked:
            features, rows = assemble(self.families, queries, candidates, self.context)
            starts = rows.starts
        else:
            starts = np.cumsum([0, *map(len, candidates)])
        after_features = perf_counter()
        if features is None:
            scores = np.concatenate([in_retrieval_order(found) for found in candidates])
        else:
            scores = np.empty(n_rows)
            for name in set(names):
                mine = np.array([other == name for other in names])[rows.query_of]
                scores[mine] = self._ranker(name).score(features if mine.all() else features[mine])
        after_ranking = perf_counter()
        if budget is not None and is_ranked:
            budget.ranking_took(set(names), n_rows, after_ranking - after_retrieval)
        answers = []
        for position, (query, offer, (_, failed, skipped)) in enumerate(zip(queries, offers, retrieved, strict=True)):
            found = offer.candidates
            own = scores[starts[position] : starts[position + 1]]
            if query.relevant is not None:
                own = own + terms(query.relevant, found.items, query.config.relevance)
            ranked = np.lexsort((found.items, -own, offer.blocks))
            before_policies = perf_counter()
            trained = is_ranked and self._fusion(names[position]).in_log_odds
            best, selected = self._after_policies(query, offer, own, ranked, trained=trained)
            promotions, explored, propensities = selected.of_places(len(best))
            stages = (
                Stage("retrieve", len(found), (after_retrieval - start) / len(queries)),
                Stage("features", len(found) if is_ranked else 0, (after_features - after_retrieval) / len(queries)),
                Stage("rank", len(ranked), (after_ranking - after_features) / len(queries)),
                Stage("policies", len(best), perf_counter() - before_policies),
            )
            slate = Slate(frozen(found.items[best], np.int32), frozen(own[best], np.float32))
            provenance = _provenance(query, found, best)
            shown = features[starts[position] + best] if features is not None and query.keep_features else None
            account = Recommendation(
                slate,
                stages,
                provenance,
                failed,
                said_of_filling(query, slate),
                shown,
                skipped_sources=skipped,
                is_ranked=is_ranked,
                policies=selected.steps,
                promotions=promotions,
                explored=explored,
                propensities=propensities,
            )
            answers.append(account)
        return answers

    def _offer(self, query: Query, found: Candidates) -> Offer:
        """``found`` and what promotions and exploration of the serving config may bring in."""
        blocks = _blocks(query, found)
        offer = Offer(found, blocks, np.zeros(len(found), np.bool_))
        if query.promoted:
            offer = offered(query, found, blocks, self.sources.get(FILLING), POOL // SCREEN)
        return offer if query.draws is None else with_drawn(offer, query.draws)

    def _after_policies(
        self, query: Query, offer: Offer, scores: Float64, ranked: Int64, *, trained: bool
    ) -> tuple[Int64, Selected]:
        """The rows to show, best first, and the account of the policies, row by row.

        First the ``POOL`` best of ``ranked`` as the policies left them, then the others. Only what was proposed is for
        the policies: what fills a list must not change how it begins.
        """
        steps = steps_of(query.config, trained=trained)
        if not steps:
            return ranked[: query.limit], NOTHING_SELECTED
        listed = ranked[: len(ranked) - offer.n_only]
        pool = listed[: min(POOL, int((offer.blocks == 0).sum()))]
        rest = ranked[len(pool) :]
        spare = rest[offer.spare[rest]]
        rows = np.concatenate([pool, spare])
        slate = Slate(frozen(offer.candidates.items[rows], np.int32), frozen(scores[rows], np.float32))
        found = applied(steps, query, slate, self.context, n_spare=len(spare))
        first, behind = rows[found.positions], listed[len(pool) :]
        if len(spare):
            behind = behind[~np.isin(offer.candidates.items[behind], offer.candidates.items[first])]
        best = np.concatenate([first, behind])[: query.limit]
        return best, found

    def retrieve(self, query: Query) -> tuple[Candidates, tuple[str, ...]]:
        """The union of the sources' hits, and the names of sources that failed."""
        found, failed, _ = self._retrieve(query, None)
        return found, failed

    def _retrieve(self, query: Query, budget: Budget | None) -> tuple[Candidates, tuple[str, ...], tuple[str, ...]]:
        """``retrieve``, and the names of sources that ``budget`` left no time for."""
        hits: dict[str, Hits] = {}
        failed: list[str] = []
        skipped: list[str] = []
        masks: dict[Scope, Bool] = {Scope.ANY: query.allowed}
        for depth in query.config.depths:
            source = self.sources.get(depth.source)
            if source is None:
                continue  # this data had nothing to fit it on; the manifest lists the sources there are
            # Something must answer however little time is left: the first that can, and popularity, which costs least.
            is_spare = depth.source != FILLING and any(map(len, hits.values()))
            if budget is not None and is_spare and not budget.allows_source(depth.source):
                skipped.append(depth.source)
                continue
            started = perf_counter()
            if depth.scope not in masks:
                masks[depth.scope] = narrowed(query.allowed, query.owned, depth.scope)
            try:
                hits[depth.source] = source.retrieve(replace(query, allowed=masks[depth.scope]), depth.k)
            except Exception:
                LOG.exception("source %s failed", depth.source)
                failed.append(depth.source)
            if budget is not None:
                budget.source_took(depth.source, perf_counter() - started)
        columns = tuple(self.sources)
        asked_for = query.relevant.items if query.relevant is not None else NOTHING
        found = unite(columns, [hits.get(name, EMPTY_HITS) for name in columns], asked_for)
        filling = _filling(query)
        if len(found) < query.limit and filling is not None and FILLING in hits:
            # A page longer than all sources together is filled by the one that can go on: popularity.
            wanted = filling.k + FILLING_BLOCK * -(-query.limit // FILLING_BLOCK)
            wider = replace(query, allowed=masks[filling.scope])
            more = self.sources[FILLING].retrieve(wider, min(wanted, len(query.allowed)))
            found = filled(found, more, filling.k)
        if len(found) < query.limit and query.filling is not None and FILLING in columns and FILLING not in failed:
            # Now all that passes is found. Whole blocks, so that a page is the beginning of a longer page here too.
            rest = replace(query, allowed=frozen(query.filling & ~query.allowed, np.bool_))
            wanted = FILLING_BLOCK * -(-query.limit // FILLING_BLOCK)
            more = self.sources[FILLING].retrieve(rest, min(wanted, len(query.allowed)))
            found = behind(found, more)
        return found, tuple(failed), tuple(skipped)

    def ranker_of(self, query: Query) -> str:
        """The name of what orders the candidates of ``query``; "" fuses its sources by reciprocal rank."""
        is_newcomer = not len(query.history) and bool(query.config.ranker) and NEWCOMERS in self.fusions
        return NEWCOMERS if is_newcomer else query.config.ranker

    def contributions(self, query: Query, features: Float32, forests: Mapping[str, Additive]) -> Float64:
        """(N, len(GROUPS) + 1): the scores of rows ``features`` (N, F) of ``query``, divided by group of features; the
        last column is the bias, a row's sum its score, without what relevance to a text adds. forests: by ranker, able
        to divide what ``rankers`` may not be.
        """
        name = self.ranker_of(query)
        ranker = self._fusion(name).bound(feature_names(self.families), forests.get(name))
        places = [GROUPS.index(group) for group in groups_of(self.families)]
        out = np.zeros((len(features), len(GROUPS) + 1))
        np.add.at(out.T, np.array([*places, len(GROUPS)]), ranker.contributions(features).T)
        return out

    def _ranker(self, name: str) -> Ranker:
        """What validation chose for the ranker's name; reciprocal ranks for a config that names none."""
        fusion, forest = self._fusion(name), self.rankers.get(name)
        if fusion.kind == FOREST and forest is not None:
            return forest  # names of features cost more than the whole lookup
        return fusion.bound(feature_names(self.families), forest)

    def _fusion(self, name: str) -> Fusion:
        return self.fusions.get(name) or Fusion(RECIPROCAL_RANK)


def in_retrieval_order(found: Candidates) -> Float64:
    """(C,) scores by which candidates stand in the order of their sources' reciprocal ranks, fused."""
    return RankFusion(tuple(range(len(found.names)))).score(found.ranks)


def said_of_filling(query: Query, slate: Slate) -> tuple[str, ...]:
    """What is said of a page whose end does not pass the filter."""
    n_passing = int(np.count_nonzero(query.allowed[slate.items]))
    if n_passing == len(slate):
        return ()
    n_filling = len(slate) - n_passing
    told = "1 item passes" if n_passing == 1 else f"{n_passing} items pass"
    return (f"only {told} the filter: the last {n_filling} of {len(slate)} are popular and ignore it",)


def _provenance(query: Query, found: Candidates, rows: Int64) -> Provenance:
    scores, ranks = found.scores[rows], found.ranks[rows]
    if query.relevant is None:
        return Provenance(found.names, scores, ranks)
    more = relevance_of(query.relevant, found.items[rows])
    scores, ranks = (np.column_stack([own, other]) for own, other in zip((scores, ranks), more, strict=True))
    return Provenance((*found.names, RELEVANCE), scores, ranks)


def _filling(query: Query) -> Depth | None:
    return next((depth for depth in query.config.depths if depth.source == FILLING), None)


def _blocks(query: Query, found: Candidates) -> Int64:
    """(C,) 0 for what was proposed, from 1 on for what fills the list: only that lies below the source's depth.

    What does not pass the filter is in the last blocks, behind all that passes, whatever its score.
    """
    blocks: Int64 = np.zeros(len(found), np.int64)
    if FILLING not in found.names:
        return blocks
    places = np.nan_to_num(found.ranks[:, found.names.index(FILLING)], nan=-1.0).astype(np.int64)
    filling = _filling(query)
    if filling is not None:
        blocks = np.where(places < filling.k, 0, 1 + (places - filling.k) // FILLING_BLOCK)
    passing = query.allowed[found.items]
    if not passing.all():
        first = places[~passing].min()
        after = 1 + int(blocks[passing].max(initial=0))
        blocks = np.where(passing, blocks, after + (places - first) // FILLING_BLOCK)
    return blocks
