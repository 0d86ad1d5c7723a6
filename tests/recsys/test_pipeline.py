"""One order out of many candidates: by a ranker, by fusion or by one source, then by the policies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import lightgbm as lgb
import numpy as np
import pytest

from recsys.arrays import Float32, Float64
from recsys.fusion import FOREST, LINEAR, SOURCE, STACKED, Fusion, LinearFusion
from recsys.model import Snapshot
from recsys.pipeline import NEWCOMERS, Pipeline
from recsys.policies.pool import POOL
from recsys.query import Query, Recommendation, narrowed
from recsys.ranker import Forest, Ranker
from recsys.serving import Depth, ServingConfig

QueryOf = Callable[..., Query]


@dataclass(frozen=True, slots=True)
class Flat:
    """A ranker to which everything is equal."""

    def score(self, features: Float32) -> Float64:
        return np.ones(len(features))


def same(a: Recommendation, b: Recommendation) -> bool:
    """Equal in everything but the seconds."""
    arrays = ((r.slate.items, r.slate.scores, r.provenance.scores, r.provenance.ranks) for r in (a, b))
    counts = [[(stage.name, stage.count) for stage in r.stages] for r in (a, b)]
    return (
        all(x.tobytes() == y.tobytes() for x, y in zip(*arrays, strict=True))
        and counts[0] == counts[1]
        and a.provenance.names == b.provenance.names
        and a.failed_sources == b.failed_sources
    )


def by_ranker(pipeline: Pipeline, ranker: Ranker) -> Pipeline:
    """``pipeline`` whose home is ranked by ``ranker``."""
    return replace(pipeline, rankers={"home": ranker}, fusions={"home": Fusion(FOREST)})


def weighed(query: Query, *, diversity: float = 0.0, spread: float = 0.0) -> Query:
    """``query`` under other weights of the policies; without any, in the ranker's order."""
    return replace(query, config=replace(query.config, diversity=diversity, spread=spread))


@pytest.fixture(scope="module")
def ranked(board: Snapshot) -> Pipeline:
    """The checkerboard with a small forest for home and none for discover."""
    rng = np.random.default_rng(4)
    features = rng.normal(size=(400, len(board.feature_names))).astype(np.float32)
    labels = features[:, 0] + rng.normal(size=400) > 0
    parameters = {"objective": "binary", "verbosity": -1, "num_leaves": 7, "min_data_in_leaf": 5}
    forest = Forest(lgb.train(parameters, lgb.Dataset(features, labels.astype(np.float32)), 10))
    return board.model.pipeline({"home": forest})


WEIGHTS = LinearFusion(("als_rank", "ease_closeness", "own_due"), (0.0, 0.1, 1.0), (1.0, 0.2, 1.0), (2.0, 0.7, 0.3))


@pytest.fixture(
    params=[None, Fusion(STACKED, WEIGHTS), Fusion(LINEAR, WEIGHTS), Fusion(SOURCE, source="ease")], ids=str
)
def fused(request: pytest.FixtureRequest, ranked: Pipeline) -> Pipeline:
    """``ranked`` with each kind of fusion in turn."""
    return ranked if request.param is None else replace(ranked, fusions={"home": request.param})


def test_answers_of_a_batch_are_the_answers_one_by_one(fused: Pipeline, board: Snapshot, query_of: QueryOf) -> None:
    queries = [
        query_of(board, user_id, serving_config=config, limit=limit)
        for user_id in ("u00", "u01", "u12", "", "u07")
        for config in ("home", "discover", "buy-again")
        for limit in (1, 10)
    ]
    queries.append(query_of(board, "u02", serving_config="similar", context_item_ids=("i00",)))
    together = fused.recommend_many(queries)
    assert len(together) == len(queries)
    assert all(same(answer, fused.recommend(query)) for query, answer in zip(queries, together, strict=True))


def test_no_queries_no_answers(ranked: Pipeline) -> None:
    assert ranked.recommend_many([]) == []


@pytest.mark.parametrize("config", ["home", "discover", "buy-again"])
def test_nothing_allowed_makes_an_empty_slate(
    ranked: Pipeline, board: Snapshot, query_of: QueryOf, config: str
) -> None:
    everything = tuple(board.catalogue.items.ids(range(len(board.catalogue))))
    answer = ranked.recommend(query_of(board, "u00", serving_config=config, exclude_item_ids=everything))
    assert len(answer.slate) == 0
    assert answer.provenance.ranks.shape == (0, len(board.pipeline.sources))
    assert [stage.count for stage in answer.stages] == [0, 0, 0, 0]


def test_equal_scores_are_ordered_by_item_number(world: Callable[..., Snapshot], query_of: QueryOf) -> None:
    # Enough items that a sort which is not stable would show.
    wide = world([(0, item, 1 + item) for item in range(0, 99, 2)], n_users=1, n_items=99)
    flat = by_ranker(wide.pipeline, Flat())
    assert flat.recommend(weighed(query_of(wide, "u00", limit=99))).slate.items.tolist() == list(range(99))


def test_without_a_ranker_the_sources_are_fused_by_reciprocal_rank(board: Snapshot, query_of: QueryOf) -> None:
    query = weighed(query_of(board, "u03", limit=16))
    candidates, _ = board.pipeline.retrieve(query)
    fused: dict[int, float] = {}
    for depth in query.config.depths:
        if depth.source not in board.pipeline.sources:
            continue
        found = board.pipeline.sources[depth.source].retrieve(
            replace(query, allowed=narrowed(query.allowed, query.owned, depth.scope)), depth.k
        )
        for rank, item in enumerate(found.items.tolist(), 1):
            fused[item] = fused.get(item, 0.0) + 1 / (60 + rank)
    slate = board.pipeline.recommend(query).slate
    assert len(slate) == len(candidates) == len(fused)
    assert slate.items.tolist() == sorted(fused, key=lambda item: (-fused[item], item))
    assert slate.scores == pytest.approx([fused[item] for item in slate.items.tolist()], rel=1e-6)


def test_a_profile_column_called_rank_takes_no_part_in_the_fusion(
    world: Callable[..., Snapshot], query_of: QueryOf
) -> None:
    events = [(0, 0, 1), (0, 1, 2), (1, 2, 3)]
    plain = world(events, n_users=2, n_items=4)
    ranks = world(events, n_users=2, n_items=4, profiles={"income_rank": [1, 2]})
    answers = [snapshot.pipeline.recommend(query_of(snapshot, "u00")) for snapshot in (plain, ranks)]
    assert same(*answers)


@pytest.mark.parametrize("weights", [{}, {"diversity": 0.7, "spread": 0.4}, {"spread": 0.4}])
def test_a_page_is_the_beginning_of_a_longer_page(
    ranked: Pipeline, board: Snapshot, query_of: QueryOf, weights: dict[str, float]
) -> None:
    pages = [
        ranked.recommend(weighed(query_of(board, "u05", limit=limit), **weights)).slate.items.tolist()
        for limit in (3, 10, 12, 16)
    ]
    assert all(page == pages[-1][: len(page)] for page in pages)


def test_policies_move_items_with_their_scores_and_their_provenance(
    ranked: Pipeline, board: Snapshot, query_of: QueryOf
) -> None:
    query = query_of(board, "u05", limit=16)
    plain, moved = (ranked.recommend(weighed(query, diversity=weight, spread=2 * weight)) for weight in (0.0, 1.5))
    # Both show all candidates, more than a screen of them: what differs is the order.
    rows = np.array([plain.slate.items.tolist().index(item) for item in moved.slate.items.tolist()])
    assert rows.tolist() != list(range(len(rows)))
    assert sorted(rows.tolist()) == list(range(len(plain.slate)))
    assert moved.slate.scores.tobytes() == plain.slate.scores[rows].tobytes()
    assert moved.provenance.ranks.tobytes() == plain.provenance.ranks[rows].tobytes()
    assert moved.provenance.scores.tobytes() == plain.provenance.scores[rows].tobytes()


def test_what_lies_below_the_pool_keeps_the_rankers_order(world: Callable[..., Snapshot], query_of: QueryOf) -> None:
    n_items = POOL + 20
    # The first item is the most popular by far, and all scores are equal.
    events = [(user, 0, 1) for user in range(5)] + [(0, item, 1) for item in range(1, n_items)]
    wide = world(events, n_users=5, n_items=n_items)
    deep = ServingConfig("home", (Depth("history", n_items),), ranker="home", spread=0.5)
    query = replace(query_of(wide, "u00", limit=n_items), config=deep)
    items = by_ranker(wide.pipeline, Flat()).recommend(query).slate.items.tolist()
    # Last of the pool's items, it stands on their last screen, where equal scores are in item order.
    assert items == [*range(1, POOL - 9), 0, *range(POOL - 9, n_items)]


def test_near_copies_of_an_item_do_not_fill_the_screen_beside_it(
    world: Callable[..., Snapshot], query_of: QueryOf
) -> None:
    # Item 0, 12 more that are nearly the same text, and 6 that share a little with it and nothing with each other.
    n_copies, n_others = 12, 6
    vectors = np.zeros((1 + n_copies + n_others, 20))
    vectors[:, 0] = 1.0
    for row in range(1, 1 + n_copies):
        vectors[row, row] = 0.1
    for row in range(1 + n_copies, len(vectors)):
        vectors[row, row] = 3.0
    shop = world([(0, 0, 1)], n_users=1, n_items=19, vectors=vectors, text_of=np.arange(19))
    query = query_of(shop, "", serving_config="similar", context_item_ids=("i00",), limit=10)
    plain, varied = (shop.pipeline.recommend(q).slate.items for q in (weighed(query), query))
    assert (plain <= n_copies).all()
    assert 0 < (varied > n_copies).sum() < 6


def test_stages_account_for_what_they_let_through(board: Snapshot, query_of: QueryOf) -> None:
    query = query_of(board, "u00", limit=4)
    stages = {stage.name: stage for stage in board.pipeline.recommend(query).stages}
    assert list(stages) == ["retrieve", "features", "rank", "policies"]
    n_candidates = len(board.pipeline.retrieve(query)[0])
    assert [stage.count for stage in stages.values()] == [n_candidates, n_candidates, n_candidates, 4]
    assert all(stage.seconds >= 0 for stage in stages.values())


@pytest.mark.parametrize("source", ["ease", "als", "history", "user-knn"])
def test_a_stranger_to_the_one_source_that_orders_is_given_what_is_popular(
    board: Snapshot, query_of: QueryOf, source: str
) -> None:
    alone = replace(board.pipeline, fusions={"home": Fusion(SOURCE, source=source)})
    query = weighed(query_of(board, "", limit=16))
    fused = replace(board.pipeline, fusions={})
    assert alone.recommend(query).slate.items.tolist() == fused.recommend(query).slate.items.tolist()


def test_one_source_that_orders_puts_its_own_hits_first(board: Snapshot, query_of: QueryOf) -> None:
    alone = replace(board.pipeline, fusions={"discover": Fusion(SOURCE, source="item-knn")})
    query = weighed(query_of(board, "u04", serving_config="discover", limit=3))
    own = board.pipeline.sources["item-knn"].retrieve(query, 3).items.tolist()
    assert alone.recommend(query).slate.items.tolist()[: len(own)] == own != []


def test_who_has_no_history_is_ordered_by_the_newcomers_ranker(
    ranked: Pipeline, board: Snapshot, query_of: QueryOf
) -> None:
    own = replace(ranked, fusions={**ranked.fusions, NEWCOMERS: Fusion(SOURCE, source="popular")})
    ids = ("", "u00", "u01")
    before = ranked.recommend_many([weighed(query_of(board, user_id, limit=16)) for user_id in ids])
    answers = own.recommend_many([weighed(query_of(board, user_id, limit=16)) for user_id in ids])
    popular = board.pipeline.sources["popular"].retrieve(query_of(board, "", limit=16), 16).items.tolist()
    assert answers[0].slate.items.tolist() == popular != before[0].slate.items.tolist()
    assert all(same(answer, known) for answer, known in zip(answers[1:], before[1:], strict=True))


@pytest.mark.parametrize("config", ["home", "discover", "buy-again", "similar"])
def test_a_config_without_a_ranker_has_none_for_newcomers_either(
    board: Snapshot, query_of: QueryOf, config: str
) -> None:
    own = replace(board.pipeline, fusions={NEWCOMERS: Fusion(SOURCE, source="popular")})
    query = query_of(board, "", serving_config=config, context_item_ids=("i00",))
    assert own.ranker_of(query) == (NEWCOMERS if query.config.ranker else "")
