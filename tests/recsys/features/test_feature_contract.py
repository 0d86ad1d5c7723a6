"""What every feature family keeps, and the table as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.features.assemble import Family, assemble, feature_names
from recsys.features.rows import stack
from recsys.model import Snapshot
from recsys.query import Candidates, Query

FAMILIES = (
    *("Retrieval", "Repeat", "ItemColumns", "UserColumns", "Affinity", "Closeness"),
    *("ProfileColumns", "PlatformColumns"),
)
Asked = list[tuple[Query, Candidates]]


@pytest.fixture(scope="module")
def board(board: Snapshot) -> Snapshot:
    """The checkerboard, whose users are on two platforms or on none that is known."""
    numbers = np.arange(len(board.histories.items)) % 3 - 1
    histories = replace(board.histories, platforms=frozen(numbers, np.int8))
    model = replace(board.model, context=replace(board.model.context, platforms=("app", "web")))
    return replace(board, histories=histories, model=model, pipeline=model.pipeline({}))


@pytest.fixture(scope="module")
def asked(board: Snapshot, query_of: Callable[..., Query]) -> Asked:
    """Known users at several times, one without history, one unknown, with the candidates of the pipeline."""
    queries = [query_of(board, user_id) for user_id in ("u00", "u01", "u12", "", "u07", "nobody", "u11")]
    queries += [query_of(board, "u03", at=query.at - 20 * 86_400) for query in queries[:1]]
    return [(query, board.pipeline.retrieve(query)[0]) for query in queries]


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest, board: Snapshot) -> Family:
    return next(family for family in board.pipeline.families if type(family).__name__ == request.param)


def computed(family: Family, asked: Asked, board: Snapshot) -> np.ndarray:
    queries, candidates = zip(*asked, strict=True)
    return family.compute(stack(queries, candidates, len(board.catalogue)), board.model.context)


def test_every_family_of_a_full_snapshot_is_held_to_the_contract(board: Snapshot) -> None:
    assert tuple(type(family).__name__ for family in board.pipeline.families) == FAMILIES


def test_a_family_gives_one_float32_column_a_name(family: Family, board: Snapshot, asked: Asked) -> None:
    values = computed(family, asked, board)
    assert values.dtype == np.float32
    assert values.shape == (sum(len(candidates) for _, candidates in asked), len(family.names))


def test_names_are_unique_over_all_families(board: Snapshot) -> None:
    names = board.feature_names
    assert len(set(names)) == len(names)
    assert all(names)


def test_no_value_is_infinite(family: Family, board: Snapshot, asked: Asked) -> None:
    assert not np.isinf(computed(family, asked, board)).any()


def test_a_query_alone_has_the_very_bits_it_has_in_a_batch(family: Family, board: Snapshot, asked: Asked) -> None:
    together = computed(family, asked, board)
    alone = np.concatenate([computed(family, [pair], board) for pair in asked])
    assert together.tobytes() == alone.tobytes()


def test_a_query_without_candidates_has_no_rows(family: Family, board: Snapshot, asked: Asked) -> None:
    query, found = asked[0]
    none = Candidates(found.items[:0], found.names, found.scores[:0], found.ranks[:0])
    assert computed(family, [(query, none)], board).shape == (0, len(family.names))
    # Nor does it disturb its neighbours in a batch.
    beside = computed(family, [(query, none), asked[1], (asked[4][0], none)], board)
    assert beside.tobytes() == computed(family, [asked[1]], board).tobytes()


def test_the_table_is_the_families_side_by_side(board: Snapshot, asked: Asked) -> None:
    queries, candidates = zip(*asked, strict=True)
    matrix, rows = assemble(board.pipeline.families, queries, candidates, board.model.context)
    assert feature_names(board.pipeline.families) == board.feature_names
    assert matrix.shape == (len(rows), len(board.feature_names))
    expected = np.concatenate([computed(family, asked, board) for family in board.pipeline.families], axis=1)
    assert matrix.tobytes() == expected.tobytes()
    assert rows.starts.tolist() == np.cumsum([0] + [len(c) for c in candidates]).tolist()


def test_who_is_unknown_has_counts_of_zero_and_nothing_else(board: Snapshot, asked: Asked) -> None:
    query, found = asked[3]
    matrix, _ = assemble(board.pipeline.families, [query], [found], board.model.context)
    column = dict(zip(board.feature_names, matrix.T, strict=True))
    for name in ("user_events", "user_items", "user_events_4w", "brand: affinity", "brand: items"):
        assert not column[name].any(), name
    unknown = ("own_count", "own_due", "user_since_weeks", "user_price", "user_repeat_share", "price_to_user")
    unknown += ("als_closeness", "content_closeness", "brand: since_weeks", "profile: age", "history_score", "als_rank")
    for name in unknown:
        assert np.isnan(column[name]).all(), name


def test_a_profile_with_holes_keeps_them(board: Snapshot, asked: Asked) -> None:
    query, found = asked[2]
    matrix, _ = assemble(board.pipeline.families, [query], [found], board.model.context)
    column = dict(zip(board.feature_names, matrix.T, strict=True))
    assert np.isnan(column["profile: age"]).all()
    assert (column["profile: loyalty_rank"] == 12.0).all()


def test_the_order_of_the_other_queries_does_not_matter(board: Snapshot, asked: Asked) -> None:
    forward = assemble(board.pipeline.families, *zip(*asked, strict=True), board.model.context)[0]
    backward, rows = assemble(board.pipeline.families, *zip(*asked[::-1], strict=True), board.model.context)
    parts = [backward[rows.starts[i] : rows.starts[i + 1]] for i in range(len(asked))]
    assert forward.tobytes() == np.concatenate(parts[::-1]).tobytes()


def test_a_query_is_not_changed_by_its_name(board: Snapshot, asked: Asked) -> None:
    query, found = asked[0]
    renamed = replace(query, user_id="somebody else")
    first = assemble(board.pipeline.families, [query], [found], board.model.context)[0]
    second = assemble(board.pipeline.families, [renamed], [found], board.model.context)[0]
    assert first.tobytes() == second.tobytes()
