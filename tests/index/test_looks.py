"""What a row counts by what was shown, and above all what must not reach it: anything from after its window."""

from __future__ import annotations

import numpy as np
import pytest

from index.frames import Frame
from index.impressions import NEVER
from index.looks import MOST_INVERSE, MOST_LOOKS, row_weights
from index.windows import Window
from recsys.arrays import frozen
from recsys.interactions import Interactions

from .shown_rows import Row, of_rows

START, DAY = 1_500_000_000, 86_400
WINDOW = Window(START, START + 28 * DAY)
N_USERS, N_ITEMS = 8, 10


def background(n_lists: int = 3_000) -> list[Row]:
    """Lists before the window, of other people, that tell where people look: half as many at every further place."""
    rng = np.random.default_rng(4)
    rows: list[Row] = []
    for n in range(n_lists):
        hits = rng.random(4) < 0.4 * 0.5 ** np.arange(4)
        at = START - DAY - n
        rows += [
            (7, int(item), at, place + 1, at if hit else NEVER)
            for place, (item, hit) in enumerate(zip(rng.permutation(N_ITEMS)[:4], hits, strict=True))
        ]
    return rows


BACKGROUND = background()


def frame(labels: set[tuple[int, int]]) -> Frame:
    """Every user of ``ASKED`` with every item."""
    query, item = (part.ravel() for part in np.indices((len(ASKED), N_ITEMS)))
    pairs = [(int(ASKED[q]), int(i)) in labels for q, i in zip(query, item, strict=True)]
    return Frame(np.zeros((len(query), 1), np.float32), np.array(pairs), query >= 0, query, item.astype(np.int32))


ASKED = frozen([0, 2, 5], np.int32)


def events(*rows: tuple[int, int, int]) -> Interactions:
    users, items, times = zip(*rows, strict=True) if rows else ((), (), ())
    return Interactions.ordered(
        users=users, items=items, times=times, weights=np.ones(len(rows)), targets=np.zeros(len(rows), bool)
    )


def weights(
    shown: list[Row], did: Interactions | None = None, labels: set[tuple[int, int]] | None = None
) -> np.ndarray:
    """(asked, items)."""
    found = row_weights(frame(labels or set()), ASKED, WINDOW, of_rows([*BACKGROUND, *shown]), did or events(), N_ITEMS)
    assert found is not None
    assert found.dtype == np.float32
    return found.reshape(len(ASKED), N_ITEMS).copy()


def missed(user: int, item: int, position: int, at: int = START + DAY) -> Row:
    return user, item, at, position, NEVER


def test_what_was_left_at_the_top_counts_more_than_what_was_left_at_the_bottom() -> None:
    found = weights([missed(2, 3, 1), missed(2, 4, 4)])
    assert found[1, 3] > 1.9
    assert 1.02 < found[1, 4] < 1.25
    found[1, 3:5] = 1.0
    assert (found == 1.0).all()


def test_looks_add_up_to_a_bound() -> None:
    twice = weights([missed(2, 3, 1), missed(2, 3, 1, START + 2 * DAY)])[1, 3]
    assert twice == pytest.approx(2 * weights([missed(2, 3, 1)])[1, 3] - 1, abs=0.02)
    often = [missed(2, 3, 1, START + n * DAY) for n in range(20)]
    assert weights(often)[1, 3] == 1.0 + MOST_LOOKS


def test_what_was_taken_where_few_look_counts_more_up_to_a_bound() -> None:
    rows = [
        (0, 1, START + DAY, 1, START + DAY + 60),
        (2, 3, START + DAY, 2, START + DAY),
        (5, 6, START, 4, START + DAY),
    ]
    found = weights(rows, labels={(0, 1), (2, 3), (5, 6), (5, 7)})
    assert found[0, 1] == 1.0
    assert 1.6 < found[1, 3] < 2.4
    assert found[2, 6] == MOST_INVERSE
    assert found[2, 7] == 1.0


def test_what_somebody_took_or_turned_to_in_the_window_was_not_left() -> None:
    row = missed(2, 3, 1)
    assert weights([row], events((2, 3, START + 3 * DAY)))[1, 3] == 1.0
    assert weights([row, (2, 3, START + DAY, 2, START + DAY)])[1, 3] == 1.0
    assert weights([row], labels={(2, 3)})[1, 3] == 1.0
    # Before the window, after it, by somebody else, or something else: it was left all the same.
    for other in ((2, 3, START - 1), (2, 3, WINDOW.end), (0, 3, START + DAY), (2, 4, START + DAY)):
        assert weights([row], events(other))[1, 3] > 1.9


def test_nothing_that_was_shown_or_taken_from_the_windows_end_on_moves_a_bit() -> None:
    rows = [missed(2, 3, 1), missed(5, 6, 3)]
    later = [missed(2, 4, 1, WINDOW.end), missed(2, 3, 1, WINDOW.end + 1), (0, 9, WINDOW.end, 4, WINDOW.end)]
    assert weights([*rows, *later]).tobytes() == weights(rows).tobytes()
    taken_later = [(*missed(2, 3, 1)[:4], WINDOW.end), rows[1]]
    assert weights(taken_later).tobytes() == weights(rows).tobytes()
    # A second earlier either would be noticed here.
    assert weights([*rows, missed(2, 4, 1, WINDOW.end - 1)]).tobytes() != weights(rows).tobytes()
    assert weights([(*missed(2, 3, 1)[:4], WINDOW.end - 1), rows[1]]).tobytes() != weights(rows).tobytes()


def test_a_window_in_which_nothing_was_shown_has_no_weights() -> None:
    shown = of_rows([*BACKGROUND, missed(2, 3, 1, START - 1), missed(2, 3, 1, WINDOW.end)])
    assert row_weights(frame(set()), ASKED, WINDOW, shown, events(), N_ITEMS) is None


def test_a_list_of_one_who_is_not_asked_makes_ones() -> None:
    assert (weights([missed(1, 3, 1)]) == 1.0).all()
