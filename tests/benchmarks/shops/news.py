"""A newspaper's site: a hundred articles a day, each read for a day or two.

Readers like a few of twenty subjects and some columns, come once a day, once a week or hardly ever, and choose among
twenty articles that are on the front pages at that hour: by subject, by column, by how big the news is, and by chance.
Articles fade by half in some fifteen hours, one in thirty (recipes, advice) stays for weeks. Big stories lift a subject
for days. Nobody reads what is not written yet, so a list made in the morning knows nothing of the evening: it is judged
by the two days after it. Realistic: short lives, spikes, subjects and loyal columns are what logs of news sites show.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from shops.draws import best, heavy, picked, words
from shops.shop import Shop, ids, log, moments

DAYS = 60
# Of so many days before the log begins there are articles too.
BEFORE = 4
SUBJECTS = 20
COLUMNS = 60
A_DAY = 100
CONSIDERED = 20
HORIZON_DAYS = 2
SLOTS_A_DAY = 6
STAYS = 1 / 30


def make(*, seed: int = 7, size: float = 1.0) -> Shop:
    """6,000 x ``size`` readers, 60 days of 100 x √size articles each."""
    rng = np.random.default_rng(seed)
    n_users, a_day = max(int(6_000 * size), 60), max(int(A_DAY * size**0.5), 12)
    n_items = (DAYS + BEFORE) * a_day
    subject = picked(rng, heavy(rng, SUBJECTS, spread=0.5)[None, :], np.zeros(n_items, np.int64))
    column_subject = rng.integers(SUBJECTS, size=COLUMNS)
    # A column writes about its own subject; a third of the articles belong to none.
    column = best(rng, np.where(column_subject[None, :] == subject[:, None], 0.0, -6.0) * np.ones((n_items, 1)))
    column = np.where(rng.random(n_items) < 1 / 3, -1, column)
    born = np.sort(rng.random(n_items) * (DAYS + BEFORE)) - BEFORE
    half_life = np.where(rng.random(n_items) < STAYS, 14.0, np.exp(np.log(0.6) + 0.4 * rng.standard_normal(n_items)))
    size_of_news = 1.1 * rng.standard_normal(n_items)

    n_slots = DAYS * SLOTS_A_DAY
    stories = np.zeros((n_slots, SUBJECTS))
    for subject_of_story, begins, lasts, lift in zip(
        rng.integers(SUBJECTS, size=30),
        rng.random(30) * DAYS,
        rng.gamma(2.0, 1.0, 30),
        rng.gamma(3.0, 0.4, 30),
        strict=True,
    ):
        age = np.arange(n_slots) / SLOTS_A_DAY - begins
        stories[:, subject_of_story] += lift * np.exp(-age.clip(0) / lasts) * (age >= 0)
    age = np.arange(n_slots)[:, None] / SLOTS_A_DAY - born[None, :]
    shown = np.exp(size_of_news + stories[:, subject] - np.log(2) * age.clip(0) / half_life) * (age > 0) + 1e-12

    visits = 1 + rng.negative_binomial(0.6, 0.6 / 18.0, n_users)
    reads = rng.poisson(1.2, visits.sum()) + 1
    visitor = np.repeat(np.arange(n_users), visits)
    # More in the morning and in the evening.
    hour = picked(rng, np.array([[0.3, 1.6, 1.0, 1.0, 1.5, 0.8]]), np.zeros(len(visitor), np.int64))
    day = rng.integers(DAYS, size=len(visitor)) + (hour + rng.random(len(visitor))) / SLOTS_A_DAY
    users, days = np.repeat(visitor, reads), np.repeat(day, reads)
    days = days + 0.002 * (np.arange(len(users)) - np.repeat(np.cumsum(reads) - reads, reads))
    slot = (days * SLOTS_A_DAY).astype(np.int64).clip(0, n_slots - 1)
    offered = picked(rng, shown, np.repeat(slot, CONSIDERED)).reshape(-1, CONSIDERED)

    likes = np.log(rng.dirichlet(np.full(SUBJECTS, 0.25), n_users) + 0.01)
    loyal = 1.5 * (rng.random((n_users, COLUMNS + 1)) < 0.04)
    loyal[:, -1] = 0.0
    suits = 0.8 * likes[users[:, None], subject[offered]] + loyal[users[:, None], column[offered]]
    items = offered[np.arange(len(users)), best(rng, suits + 0.4 * size_of_news[offered])]
    first = np.unique(users * n_items + items, return_index=True)[1]
    users, items, days = users[first], items[first], days[first]

    names, authors, terms = words(rng, SUBJECTS), words(rng, COLUMNS, length=3), words(rng, 40 * SUBJECTS, length=3)
    said = terms_of(rng, subject, terms)
    catalogue = pl.DataFrame(
        {
            "item_id": ids("i", np.arange(n_items)),
            "title": said,
            "category": [names[s] for s in subject],
            "brand": [authors[c] if c >= 0 else None for c in column],
            "created_at": moments(born),
        }
    )
    return Shop(log(users, items, days, kinds="read"), catalogue, horizon_days=HORIZON_DAYS)


def terms_of(rng: np.random.Generator, subject: np.ndarray, terms: list[str]) -> list[str]:
    """A headline of five words for each article, four out of five of its own subject's forty."""
    own = subject[:, None] * 40 + (rng.random((len(subject), 5)) ** 1.5 * 40).astype(np.int64)
    any_word = rng.integers(len(terms), size=own.shape)
    chosen = np.where(rng.random(own.shape) < 0.8, own, any_word)
    return [" ".join(terms[term] for term in row) for row in chosen]
