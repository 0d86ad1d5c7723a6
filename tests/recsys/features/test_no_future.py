"""What happens at the time of a question or after it moves no candidate, no score and no feature of the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from recsys.arrays import Float32, frozen
from recsys.features.assemble import assemble
from recsys.histories import Histories
from recsys.interactions import Interactions
from recsys.model import Snapshot
from recsys.query import Candidates, Query

DAYS_BACK = 15.0
USER = 3
Event = tuple[int, int, float]
Columns = dict[str, Float32]

# At the very time of the question, a second and days after it: items of both colours, one of them for the first time.
LATER: list[Event] = [(USER, 4, DAYS_BACK), (USER, 8, DAYS_BACK - 1 / 86_400), (USER, 1, 4.0), (USER, 3, 1.0)]


@pytest.fixture(scope="module")
def seen(
    board: Snapshot,
    interactions: Callable[..., Interactions],
    board_events: Callable[[int, int], list[Event]],
    query_of: Callable[..., Query],
    now: int,
) -> Callable[[Sequence[Event]], Query]:
    """``seen(events)``: the user's question as of ``DAYS_BACK`` to a server that also holds ``events``."""
    at = now - round(DAYS_BACK * 86_400)
    past = [event for event in board_events(12, 16) if event[2] > DAYS_BACK]

    def query(more: Sequence[Event]) -> Query:
        rows = interactions([*past, *more])
        # Whatever happened later was on another platform than all before.
        rows = replace(rows, platforms=frozen(rows.times >= at, np.int8))
        histories = Histories.of_interactions(rows, 13)
        model = replace(board.model, context=replace(board.model.context, platforms=("app", "web")))
        return query_of(replace(board, histories=histories, model=model), f"u{USER:02d}", at=at)

    return query


def columns_of(board: Snapshot, query: Query, candidates: Candidates | None = None) -> Columns:
    """Every feature by name; of every item where no candidates are given."""
    n_items, names = len(board.catalogue), tuple(board.pipeline.sources)
    nothing = np.full((n_items, len(names)), np.nan, np.float32)
    every = Candidates(frozen(np.arange(n_items), np.int32), names, nothing, nothing)
    matrix, _ = assemble(board.pipeline.families, [query], [candidates or every], board.model.context)
    return dict(zip(board.feature_names, matrix.T, strict=True))


def test_the_histories_differ_only_in_what_is_not_yet_known(seen: Callable[..., Query]) -> None:
    before, after = seen([]), seen(LATER)
    assert len(before.history) > 2
    assert before.history.items.tolist() == after.history.items.tolist()
    assert before.owned.tolist() == after.owned.tolist()
    assert before.allowed.tolist() == after.allowed.tolist()
    assert before.platform == after.platform == 0


def test_no_candidate_and_no_score_moves(board: Snapshot, seen: Callable[..., Query]) -> None:
    before, after = seen([]), seen(LATER)
    for name, source in board.pipeline.sources.items():
        hits = [source.retrieve(query, 50) for query in (before, after)]
        assert hits[0].items.tobytes() == hits[1].items.tobytes(), name
        assert hits[0].scores.tobytes() == hits[1].scores.tobytes(), name


def test_no_feature_moves(board: Snapshot, seen: Callable[..., Query]) -> None:
    before, after = seen([]), seen(LATER)
    one, other = (columns_of(board, query, board.pipeline.retrieve(query)[0]) for query in (before, after))
    assert [name for name in one if one[name].tobytes() != other[name].tobytes()] == []


def test_the_same_events_a_second_before_the_question_move_all_that_looks_at_the_history(
    board: Snapshot, seen: Callable[..., Query]
) -> None:
    # Else its silence about the future would prove nothing.
    plain = columns_of(board, seen([]))
    moved: set[str] = set()
    just_before = [[(USER, item, DAYS_BACK + 1 / 86_400)] for _, item, _ in LATER]
    # And one trip of two items, longer ago than any other.
    for more in (*just_before, [(USER, 2, 90.0), (USER, 4, 90.0)]):
        changed = columns_of(board, seen(more))
        moved |= {name for name in plain if plain[name].tobytes() != changed[name].tobytes()}
    of_the_item = {name for name in plain if name.startswith(("item_", "profile: ")) or name.endswith(": share")}
    of_candidates = {name for name in plain if name.endswith(("_rank", "_score"))}
    assert moved == set(plain) - of_the_item - of_candidates - {"segment_closeness"}


def test_a_new_item_is_a_discovery_and_a_known_one_is_none(board: Snapshot, seen: Callable[..., Query]) -> None:
    def discoveries(item: int) -> list[float]:
        """Of the even and of the odd items, once the user took ``item``."""
        more = [(USER, item, DAYS_BACK + 1)]
        return columns_of(board, seen(more))["category_1: discoveries"][[0, 1]].tolist()

    known = int(seen([]).owned[0])
    assert known % 2 == 1
    plain = discoveries(known)
    assert plain == columns_of(board, seen([]))["category_1: discoveries"][[0, 1]].tolist()
    odd, even = discoveries(7), discoveries(12)
    assert (odd[0], even[1]) == (plain[0], plain[1])
    assert odd[1] > plain[1]
    assert even[0] > plain[0]
