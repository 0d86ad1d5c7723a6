"""What the two towers are given to learn from: moments, and what is known of items and users beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from index.chances import weekly_chances
from index.states import States
from recsys.als import ItemFactors
from recsys.arrays import Bool, Float32, Float64, Int32, Int64, frozen
from recsys.decay import WEEK_S, age_weeks, exponential
from recsys.interactions import Interactions
from recsys.profiles import Profiles

# Moments whose mean is the centre of users.
N_CENTRE = 2_000
# Codes of a family that have a vector of their own; the rarest of more have none. Every step moves the whole table.
MOST_CODES = 20_000
# Texts that are worked on at once.
BLOCK = 20_000


@dataclass(frozen=True, slots=True)
class TwoTowerSettings:
    """Size, budget and what is left out; chosen on Complete Journey validation windows.

    most_examples, most_epochs: moments trained on, whichever is fewer · past_weeks: older ones are not · fade_weeks: a
    moment's chance to be drawn falls to a third in so long · horizon_days: what is taken so soon after is its label ·
    most_taken: labels a moment · n_negatives: items drawn a batch; all of them up to ``full_below`` ·
    without_history, without_id: shares of moments and of items trained as new · kept_history: share of a history that
    is pooled · text_width: principal components of the texts · least_users, least_positives: fewer train nothing.
    """

    most_examples: int = 30_720
    most_epochs: int = 4
    batch: int = 256
    learning_rate: float = 1e-3
    hidden: int = 128
    profile_width: int = 16
    text_width: int = 64
    past_weeks: int = 26
    fade_weeks: float = 12.0
    horizon_days: float = 7.0
    most_taken: int = 16
    n_negatives: int = 2_048
    full_below: int = 20_000
    without_history: float = 0.05
    without_id: float = 0.2
    kept_history: float = 0.5
    least_users: int = 200
    least_positives: int = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of items and users beside interactions.

    factors: of the same interactions, the vectors of the ids · codes: family -> (n_items,), -1 missing · vectors (T, d)
    and text_of (n_items,), -1 without: None without texts.
    """

    factors: ItemFactors
    codes: Mapping[str, Int32]
    profiles: Profiles
    vectors: Float32 | None
    text_of: Int32 | None


@dataclass(frozen=True, slots=True)
class Given:
    """All that training needs.

    inputs (n_items, h), the first f columns the id's · centres (S, f) · codes (n_items, F) int64 rows of one table of
    n_codes, 0 missing · bins (n_users, P) rows of a table of n_bins, -1 unknown · chances (weeks + 1, n_items, w) log ·
    items (n,) int64: what may be recommended · drawn (M,): how likely each of M moments is to be trained on.
    """

    states: States
    inputs: Float32
    centres: Float32
    codes: Int64
    n_codes: int
    bins: Int32
    n_bins: int
    chances: Float32
    items: Int64
    drawn: Float64
    at: int

    def n_examples(self, settings: TwoTowerSettings) -> int:
        """How many moments, repeats counted, towers are trained on: few where there is little to learn."""
        return min(settings.most_examples, settings.most_epochs * len(self.states))

    @classmethod
    def of(
        cls, interactions: Interactions, known: Known, *, at: int, settings: TwoTowerSettings, seed: int
    ) -> Given | None:
        """Of ``interactions``, all before ``at``; None when nobody took anything new in the last ``past_weeks``.

        Memory: 1.5 kB an item at the defaults, 100 bytes an interaction.
        """
        factors = known.factors.factors
        n_users, n_items = len(known.profiles.values), len(factors)
        since = at - settings.past_weeks * WEEK_S
        states = States.of(interactions, n_items, since=since, horizon_days=settings.horizon_days)
        if not len(states):
            return None
        heard_of = np.bincount(interactions.items, minlength=n_items) > 0
        if known.text_of is not None:
            heard_of |= known.text_of >= 0
        inputs = _inputs(known, settings.text_width)
        table, n_codes = code_table(known.codes, n_items)
        bins, n_bins = known.profiles.bins.bins(known.profiles.values), known.profiles.bins.n_bins
        drawn = exponential(age_weeks(states.times, at), settings.fade_weeks)
        return cls(
            states=states,
            inputs=inputs,
            centres=_centres(states, inputs, factors.shape[1], seed),
            codes=table,
            n_codes=n_codes,
            bins=bins,
            n_bins=n_bins,
            chances=_chances(interactions, states, heard_of, n_users, at=at, n_weeks=settings.past_weeks),
            items=np.flatnonzero(heard_of),
            drawn=drawn / drawn.sum(),
            at=at,
        )


def _inputs(known: Known, width: int) -> Float32:
    """(n_items, f + c): each item's factors in unit length, zeros without any, and its text's components."""
    factors, vectors, text_of = known.factors.factors, known.vectors, known.text_of
    length = np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), 1e-6)
    if vectors is None or text_of is None or len(vectors) < 2:
        return frozen(factors / length, np.float32)
    texts = principal(vectors, width)
    of_items = np.where(text_of[:, None] >= 0, texts[text_of], np.float32(0.0))
    return frozen(np.concatenate([factors / length, of_items], axis=1), np.float32)


def principal(vectors: Float32, width: int) -> Float32:
    """(T, c) coordinates of ``vectors`` (T, d) from their mean along their c <= width widest directions.

    In mean length 1, so that texts of any encoder count as much beside an id. Memory: 8 d BLOCK bytes, and the answer.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    spread = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), BLOCK):
        apart = vectors[start : start + BLOCK] - mean
        spread += apart.T @ apart
    _, directions = np.linalg.eigh(spread)
    widest = directions[:, ::-1][:, :width].astype(np.float32)
    texts: Float32 = vectors @ widest - (mean @ widest).astype(np.float32)
    texts /= max(float(np.linalg.norm(texts, axis=1).mean()), 1e-6)
    return texts


def code_table(codes: Mapping[str, Int32], n_items: int) -> tuple[Int64, int]:
    """(n_items, F) each item's row of a table that all families share, 0 for none, and how many rows that is.

    codes: family -> (n_items,), -1 missing. The first column is of no family: a catalogue may have none.
    """
    columns: list[Int64] = [np.zeros(n_items, np.int64)]
    n_rows = 1
    for values in codes.values():
        count = np.bincount(values[values >= 0])
        frequent = np.sort(np.argsort(-count, kind="stable")[:MOST_CODES])
        row = np.zeros(len(count) + 1, np.int64)  # the last is that of a missing code, -1
        row[frequent] = n_rows + np.arange(len(frequent))
        columns.append(row[values])
        n_rows += len(frequent)
    return np.stack(columns, axis=1), n_rows


def _chances(
    interactions: Interactions, states: States, heard_of: Bool, n_users: int, *, at: int, n_weeks: int
) -> Float32:
    """``weekly_chances`` about their mean: a length that all items share would rule the index's cells, and orders
    nothing.
    """
    chances = weekly_chances(interactions, states.firsts, n_users, len(heard_of), at=at, n_weeks=n_weeks)
    chances -= chances[0, heard_of].mean(axis=0)
    return frozen(chances, np.float32)


def _centres(states: States, inputs: Float32, width: int, seed: int) -> Float32:
    """(S, f) mean over moments of the pooled id's part, by fade; zeros when nobody had a history."""
    chosen = np.random.default_rng(seed).permutation(len(states))[:N_CENTRE]
    means, totals = states.pooled(chosen, inputs)
    known = (totals > 0).all(axis=1)
    centres = means[known][:, :, :width].mean(axis=0) if known.any() else np.zeros((means.shape[1], width))
    return frozen(centres, np.float32)
