"""What each feature adds to a score: it sums to the score, whatever made the order, and stands in the right group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pytest

from recsys.ask import MOST_DIVIDED, Ask, resolve
from recsys.features.groups import GROUPS
from recsys.fusion import FOREST, Fusion, LinearFusion
from recsys.model import Snapshot
from recsys.pipeline import NEWCOMERS
from recsys.query import Query, Recommendation
from recsys.ranker import Forest
from tests.every_fusion import every_fusion

QueryOf = Callable[..., Query]
WEIGHED = LinearFusion(
    ("als_rank", "item_price", "own_due", "profile: age"),
    centres=(0.0, 5.0, 1.0, 25.0),
    scales=(1.0, 2.0, 0.5, 3.0),
    weights=(2.0, -1.5, 0.25, 0.5),
)
FUSIONS = every_fusion(WEIGHED, scorer="ease")
PLACE = {group: place for place, group in enumerate((*GROUPS, "bias"))}


def forest_of(board: Snapshot, query_of: QueryOf, seed: int) -> Forest:
    """Trees over the board's own candidates that liken them to a random taste of all columns."""
    asked = [replace(query_of(board, f"u{user:02d}"), keep_features=True, limit=16) for user in range(13)]
    features = np.concatenate([answer.features for answer in map(board.pipeline.recommend, asked)])
    tastes = np.nan_to_num(features.astype(np.float64)) @ np.random.default_rng(seed).normal(size=features.shape[1])
    chosen = {"objective": "binary", "num_leaves": 7, "min_data_in_leaf": 5, "verbosity": -1, "seed": seed}
    chosen |= {"num_threads": 1}
    labels = (tastes > np.median(tastes)).astype(np.float32)
    return Forest(lgb.train(chosen, lgb.Dataset(features, labels, params=chosen), 12))


@pytest.fixture(scope="module")
def ordered(board: Snapshot, query_of: QueryOf) -> Callable[[Mapping[str, Fusion]], Snapshot]:
    """The board ordered by given fusions; ``home`` and ``newcomers`` have forests of their own."""
    rankers = {"home": forest_of(board, query_of, 1), NEWCOMERS: forest_of(board, query_of, 2)}
    return lambda fusions: replace(
        board, rankers=rankers, pipeline=replace(board.pipeline, rankers=rankers, fusions=fusions)
    )


def divided(snapshot: Snapshot, query: Query) -> tuple[Recommendation, np.ndarray]:
    query = replace(query, keep_features=True)
    answer = snapshot.pipeline.recommend(query)
    assert answer.features is not None
    return answer, snapshot.contributions(query, answer.slate, answer.features)


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("user_id", ["u00", "u05", "u12", "stranger"])
def test_parts_and_bias_sum_to_the_score(
    ordered: Callable[..., Snapshot], query_of: QueryOf, name: str, user_id: str
) -> None:
    snapshot = ordered({"home": FUSIONS[name]})
    answer, parts = divided(snapshot, query_of(snapshot, user_id))
    assert len(answer.slate) > 3
    assert parts.shape == (len(answer.slate), len(GROUPS) + 1)
    np.testing.assert_allclose(parts.sum(axis=1), answer.slate.scores, atol=1e-4, rtol=0)
    assert np.abs(parts[:, :-1]).max() > 1e-3


def test_each_weighted_term_stands_in_the_group_of_its_column(
    ordered: Callable[..., Snapshot], query_of: QueryOf
) -> None:
    snapshot = ordered({"home": FUSIONS["linear"]})
    answer, parts = divided(snapshot, query_of(snapshot, "u00"))
    prices = snapshot.catalogue.prices[answer.slate.items].astype(np.float64)
    expected = np.nan_to_num(-1.5 * np.clip((prices - 5.0) / 2.0, -5, 5), nan=0.0)
    np.testing.assert_allclose(parts[:, PLACE["price"]], expected, rtol=1e-6)
    # u00 is 20 years old: 25 is the centre and 3 a unit.
    np.testing.assert_allclose(parts[:, PLACE["profile"]], 0.5 * (20 - 25) / 3, rtol=1e-6)
    assert not parts[:, [PLACE[group] for group in ("content", "popularity", "context", "bias")]].any()


def test_stacked_is_half_of_each(ordered: Callable[..., Snapshot], query_of: QueryOf) -> None:
    stacked = ordered({"home": FUSIONS["stacked"]})
    query = query_of(stacked, "u00")
    answer, parts = divided(stacked, query)
    forest, linear = (ordered({"home": FUSIONS[name]}) for name in ("forest", "linear"))
    halves = [one.contributions(query, answer.slate, answer.features) / 2 for one in (forest, linear)]
    np.testing.assert_allclose(parts, sum(halves), atol=1e-12)
    assert np.abs(halves[0]).max() > 1e-3
    assert np.abs(halves[1]).max() > 1e-3


def test_reciprocal_ranks_give_each_source_its_term(ordered: Callable[..., Snapshot], query_of: QueryOf) -> None:
    snapshot = ordered({})
    answer, parts = divided(snapshot, query_of(snapshot, "stranger"))
    names = answer.provenance.names
    ranks = answer.provenance.ranks.astype(np.float64)
    columns = [names.index(name) for name in ("popular", "first", "trending")]
    expected = np.nansum(1.0 / (61.0 + ranks[:, columns]), axis=1)
    np.testing.assert_allclose(parts[:, PLACE["popularity"]], expected, rtol=1e-6)
    assert not parts[:, PLACE["bias"]].any()


def test_what_a_lone_source_does_not_know_is_explained_by_the_others(
    ordered: Callable[..., Snapshot], query_of: QueryOf
) -> None:
    snapshot = ordered({"home": FUSIONS["by rank"]})
    answer, parts = divided(snapshot, query_of(snapshot, "u00"))
    known = np.isfinite(answer.provenance.ranks[:, answer.provenance.names.index("history")])
    assert 0 < known.sum() < len(known)
    np.testing.assert_allclose(parts[known, PLACE["repeat"]], answer.slate.scores[known], rtol=1e-6)
    assert (parts[known, PLACE["bias"]] == 0.0).all()
    assert (parts[~known, PLACE["bias"]] == -1.0).all()
    assert not parts[~known, PLACE["repeat"]].any()


def test_who_has_no_history_is_explained_by_the_ranker_that_answered(
    ordered: Callable[..., Snapshot], query_of: QueryOf
) -> None:
    snapshot = ordered({"home": Fusion(FOREST), NEWCOMERS: Fusion(FOREST)})
    answer, parts = divided(snapshot, query_of(snapshot, "u12"))
    newcomers, home = (snapshot.rankers[name].contributions(answer.features) for name in (NEWCOMERS, "home"))
    np.testing.assert_allclose(parts.sum(axis=1), newcomers.sum(axis=1), atol=1e-9)
    assert parts[0, PLACE["bias"]] == newcomers[0, -1] != home[0, -1]


def test_a_ranker_that_only_scores_is_explained_by_the_text_it_was_made_of(
    ordered: Callable[..., Snapshot], query_of: QueryOf
) -> None:
    snapshot = ordered({"home": Fusion(FOREST)})

    class ScoresOnly:
        score = snapshot.rankers["home"].score

    query = query_of(snapshot, "u00")
    faster = snapshot.ranked_by({"home": ScoresOnly()})
    np.testing.assert_array_equal(divided(faster, query)[1], divided(snapshot, query)[1])


def test_features_are_kept_of_what_is_shown_and_only_when_asked(board: Snapshot, query_of: QueryOf) -> None:
    asking, other = query_of(board, "u00", divide_scores=True, limit=3), query_of(board, "u01", limit=3)
    first, second = board.pipeline.recommend_many([asking, other])
    assert second.features is None
    assert first.features is not None
    assert first.features.shape == (3, len(board.feature_names))
    # A copy of these rows, not a view that keeps all candidates' alive.
    assert first.features.base is None
    price = board.feature_names.index("item_price")
    np.testing.assert_array_equal(first.features[:, price], board.catalogue.prices[first.slate.items])


@pytest.mark.parametrize(("asked", "given"), [(0, 20), (3, 3), (200, MOST_DIVIDED)])
def test_scores_of_a_long_page_are_not_divided(board: Snapshot, asked: int, given: int) -> None:
    assert resolve(Ask(at=1, limit=asked, divide_scores=True), board).query.limit == given
    assert resolve(Ask(at=1, limit=200), board).query.limit == 200


def test_no_rows_have_no_parts(ordered: Callable[..., Snapshot], query_of: QueryOf) -> None:
    for name in FUSIONS:
        snapshot = ordered({"home": FUSIONS[name]})
        answer, parts = divided(snapshot, query_of(snapshot, "u00", allowed=np.zeros(16, bool)))
        assert parts.shape == (len(answer.slate), len(GROUPS) + 1) == (0, 8)
