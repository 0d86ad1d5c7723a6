"""Fifty thousand people, five purchases each: a ticket and gift market, where nobody is known well.

A person likes a few of forty themes, one of them most. Each time they come across thirty things, by theme and by what
is popular that month, and take what suits their taste, what suits their purse and what chance has it. A tenth of
purchases are gifts, of any theme. Popularity drifts from month to month, a third of the things come in during the year,
people join all year round, and hardly anybody takes a thing twice. Realistic: most markets of tickets, gifts and
second-hand goods know their customers by a handful of purchases; what is learnt is learnt from what many did once.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from shops.draws import best, directions, heavy, picked, wandering, words
from shops.shop import Shop, ids, log, moments

DAYS = 365
EVENTS_EACH = 5
CONSIDERED = 30
THEMES = 40
GIFTS = 0.1
WIDTH = 8
MONTHS = 13


def make(*, seed: int = 7, size: float = 1.0) -> Shop:
    """50,000 x ``size`` users with five purchases each among 4,000 x √size items."""
    rng = np.random.default_rng(seed)
    n_users, n_items = max(int(50_000 * size), 20), max(int(4_000 * size**0.5), 80)
    theme_of = picked(rng, heavy(rng, THEMES, spread=0.8)[None, :], np.zeros(n_items, np.int64))
    style = directions(rng, n_items, WIDTH)
    price = np.exp(3.0 + 0.7 * rng.standard_normal(n_items))
    born = np.where(rng.random(n_items) < 2 / 3, -1.0, rng.uniform(0, DAYS, n_items))
    popularity = np.log(heavy(rng, n_items, spread=1.2))

    themes = rng.dirichlet(np.full(THEMES, 0.08), n_users)
    taste = directions(rng, n_users, WIDTH)
    purse = 3.0 + 0.5 * rng.standard_normal(n_users)

    users = np.repeat(np.arange(n_users), EVENTS_EACH)
    joined = rng.uniform(-0.5 * DAYS, 0.9 * DAYS, n_users).clip(0)
    days = joined[users] + rng.random(len(users)) * (DAYS - joined[users])
    month = (days // 28).astype(np.int64).clip(0, MONTHS - 1)
    theme = picked(rng, themes, users)
    gift = rng.random(len(users)) < GIFTS
    theme = np.where(gift, rng.integers(THEMES, size=len(users)), theme)

    drift = wandering(rng, MONTHS, n_items, step=0.25)
    seen = np.exp(popularity + drift) * (born[None, :] < 28.0 * np.arange(MONTHS)[:, None])
    offered = np.empty((len(users), CONSIDERED), np.int64)
    # Mostly of the theme one looks for, by the month's popularity.
    for one in range(THEMES):
        rows = np.flatnonzero(theme == one)
        weights = seen * np.where(theme_of == one, 1.0, 0.004)
        offered[rows] = picked(rng, weights, np.repeat(month[rows], CONSIDERED)).reshape(-1, CONSIDERED)
    suits = 2.5 * np.einsum("nmd,nd->nm", style[offered], taste[users]) * ~gift[:, None]
    suits += 1.0 * (theme_of[offered] == theme[:, None])
    suits -= 0.5 * (np.log(price[offered]) - purse[users][:, None]) ** 2
    items = offered[np.arange(len(users)), best(rng, suits)]

    names, makers = words(rng, THEMES), words(rng, 120, length=3)
    # A maker has a style: things by one hand are alike, and buyers read the name on the box.
    maker = np.argmax(style @ directions(rng, len(makers), WIDTH).T, axis=1)
    catalogue = pl.DataFrame(
        {
            "item_id": ids("i", np.arange(n_items)),
            "title": [
                f"{makers[m]} {names[t].lower()} {n}" for n, (m, t) in enumerate(zip(maker, theme_of, strict=True))
            ],
            "category": [names[t] for t in theme_of],
            "brand": [makers[m] for m in maker],
            "price": price.round(2),
            "created_at": moments(born),
        }
    )
    return Shop(log(users, items, days, price=pl.Series(price[items].round(2))), catalogue)
