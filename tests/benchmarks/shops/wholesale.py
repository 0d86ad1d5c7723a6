"""A wholesaler of food and household goods: two years, eight hundred customers, orders as regular as their kitchens.

A customer (restaurant, bakery, kiosk, …) keeps an assortment of some dozens of products that suits their trade, their
cuisine and their price level, and orders each at a rhythm of its own on their delivery day: later when there is stock
left, sooner when a week was good, more in the product's season. Assortments change: products are taken up and given up
all the time, one product in eight is discontinued and its buyers pass over to its like, and one order line in twelve is
something tried once. Realistic: repeat orders by due date, seasons, substitutions and assortments by trade are how such
logs are made; who orders what is known long, what they take up next is not.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from shops.draws import directions, heavy, picked, words
from shops.shop import Shop, ids, log, moments

DAYS = 728
TRADES = ("restaurant", "bakery", "kiosk", "hotel", "canteen", "grocer", "bar", "butcher")
CATEGORIES = 48
WIDTH = 6
LINES = 70
LONGEST = 120
DISCONTINUED = 1 / 8
TRIED = 1 / 12


def make(*, seed: int = 7, size: float = 1.0) -> Shop:
    """800 x ``size`` customers among 2,400 x √size products."""
    rng = np.random.default_rng(seed)
    n_users, n_items = max(int(800 * size), 16), max(int(2_400 * size**0.5), 160)
    category = picked(rng, heavy(rng, CATEGORIES, spread=0.6)[None, :], np.zeros(n_items, np.int64))
    style = directions(rng, n_items, WIDTH)
    popularity = heavy(rng, n_items, spread=1.1)
    price = np.exp(1.5 + 0.8 * rng.standard_normal(CATEGORIES)[category] + 0.4 * rng.standard_normal(n_items))
    rhythm = np.exp(2.9 + 0.5 * rng.standard_normal(CATEGORIES)[category] + 0.3 * rng.standard_normal(n_items))
    season = 0.8 * (rng.random(n_items) < 0.3) * rng.random(n_items)
    phase = rng.random(CATEGORIES)[category]

    trade = picked(rng, heavy(rng, len(TRADES), spread=0.5)[None, :], np.zeros(n_users, np.int64))
    cuisine = directions(rng, n_users, WIDTH)
    scale = np.exp(0.5 * rng.standard_normal(n_users))
    every = np.where(rng.random(n_users) < 0.7, 7.0, 3.5)
    weekday = rng.integers(6, size=n_users)
    joined = np.where(rng.random(n_users) < 0.7, 0.0, rng.uniform(0, 0.9 * DAYS, n_users))
    left = np.where(rng.random(n_users) < 0.85, DAYS, joined + rng.uniform(60, DAYS, n_users))

    # The assortments of two years: about as many products again come and go as are kept.
    wants = rng.dirichlet(np.full(CATEGORIES, 0.3), len(TRADES))[trade] * rng.gamma(0.8, 1.0, (n_users, CATEGORIES))
    weights = wants[:, category] * popularity * np.exp(1.2 * (cuisine @ style.T))
    n_lines = rng.poisson(LINES * scale**0.5)
    lines = np.unique(
        np.repeat(np.arange(n_users), n_lines) * n_items + picked(rng, weights, np.repeat(np.arange(n_users), n_lines))
    )
    user, item = lines // n_items, lines % n_items
    from_start = rng.random(len(lines)) < 0.5
    begins = np.where(from_start, joined[user], joined[user] + rng.random(len(lines)) * (DAYS - joined[user]))
    ends = np.minimum(begins + rng.exponential(420.0, len(lines)), left[user])

    gap = rhythm[item] / scale[user] ** 0.4 * np.exp(0.4 * rng.standard_normal(len(lines)))
    # Gamma gaps: a kitchen is more regular than chance, and less than a calendar.
    gaps = gap[:, None] * rng.gamma(3.0, 1 / 3.0, (len(lines), LONGEST))
    due = begins[:, None] + gap[:, None] * rng.random((len(lines), 1)) + np.cumsum(gaps, axis=1) - gaps[:, :1]
    user, item = np.repeat(user, LONGEST), np.repeat(item, LONGEST)
    due, until = due.ravel(), np.repeat(ends, LONGEST)
    inside = (due < until) & (
        rng.random(len(due)) < 1 - season[item] * (1 + np.cos(2 * np.pi * (due / 364 - phase[item]))) / 2
    )
    user, item, due = user[inside], item[inside], due[inside]

    tried = int(len(user) * TRIED)
    who = rng.choice(user, tried)
    user, item = np.concatenate([user, who]), np.concatenate([item, picked(rng, wants[:, category] * popularity, who)])
    due = np.concatenate([due, rng.choice(due, tried)])
    days = (
        (np.ceil((due - weekday[user]) / every[user]) * every[user] + weekday[user]).clip(0) + 0.25 + 0.01 * (user % 40)
    )

    stops = np.where(rng.random(n_items) < DISCONTINUED, rng.uniform(60, DAYS, n_items), np.inf)
    successor = _successors(style, category, stops)
    item = np.where(days >= stops[item], successor[item], item)
    keep = (days < DAYS) & (days < stops[item])
    user, item, days = user[keep], item[keep], days[keep]
    once = np.unique(np.column_stack([user, item, np.floor(days)]), axis=0, return_index=True)[1]
    user, item, days = user[once], item[once], days[once]

    names, makers = words(rng, CATEGORIES), words(rng, 90, length=3)
    maker = np.argmax(style @ directions(rng, len(makers), WIDTH).T, axis=1)
    catalogue = pl.DataFrame(
        {
            "item_id": ids("i", np.arange(n_items)),
            "title": [
                f"{names[c]} {makers[m].lower()} {n % 12 + 1} x {n % 5 + 1} kg"
                for n, (c, m) in enumerate(zip(category, maker, strict=True))
            ],
            "category": [f"Range {c // 8} > {names[c]}" for c in category],
            "brand": [makers[m] for m in maker],
            "price": price.round(2),
        }
    )
    customers = pl.DataFrame(
        {
            "user_id": ids("u", np.arange(n_users)),
            "trade": [TRADES[t] for t in trade],
            "region": [f"region {r}" for r in rng.integers(9, size=n_users)],
            "seats": np.where(rng.random(n_users) < 0.3, None, (40 * scale).astype(np.int64)).astype(np.float64),
            "since": moments(joined).dt.year(),
        }
    )
    amount = pl.Series(np.ceil(scale[user] * rng.gamma(2.0, 1.5, len(user))).astype(np.int64))
    return Shop(log(user, item, days, quantity=amount, price=pl.Series(price[item].round(2))), catalogue, customers)


def _successors(style: np.ndarray, category: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """(n,) the likest product of the same category that stays; itself where there is none."""
    likeness = style @ style.T
    likeness[(category[:, None] != category[None, :]) | ~np.isinf(stops)[None, :]] = -np.inf
    found = likeness.argmax(axis=1)
    return np.where(np.isfinite(likeness.max(axis=1)), found, np.arange(len(stops)))
