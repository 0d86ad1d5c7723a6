"""A shop of durable goods: many views, few purchases, most people buy nothing.

A person has a style, a purse and a few kinds of things they look for; they come in visits. A visit is about one kind:
things are come across by what is popular that month and, later in the visit, by what is like the thing seen before.
What suits well is put into the cart and, more seldom, bought, one thing a visit. A fifth of views are chance: mails,
banners, searches that went wrong. Half of the things are sold for some months only. Realistic: two or three views in a
hundred end in a purchase, a third of the visitors come once, and nearly all that is known of a taste is what was looked
at.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from shops.draws import best, directions, heavy, picked, wandering, words
from shops.shop import Shop, ids, log, moments

DAYS = 168
KINDS = 60
WIDTH = 10
CONSIDERED = 12
CHANCE = 0.2
MONTHS = 6


def make(*, seed: int = 7, size: float = 1.0) -> Shop:
    """25,000 x ``size`` users among 6,000 x √size items; about 15 views a user."""
    rng = np.random.default_rng(seed)
    n_users, n_items = max(int(25_000 * size), 60), max(int(6_000 * size**0.5), 150)
    kind_of = picked(rng, heavy(rng, KINDS, spread=0.7)[None, :], np.zeros(n_items, np.int64))
    style = directions(rng, n_items, WIDTH)
    level = rng.standard_normal(n_items)
    price = np.exp(3.5 + 0.6 * rng.standard_normal(KINDS)[kind_of] + 0.5 * level)
    quality = rng.standard_normal(n_items)
    passing = rng.random(n_items) < 0.5
    born = np.where(passing, rng.uniform(-60, DAYS, n_items), -1.0)
    gone = np.where(passing, born + rng.gamma(4.0, 20.0, n_items), np.inf)
    popularity = np.log(heavy(rng, n_items, spread=1.0)) + 0.3 * quality

    taste, purse = directions(rng, n_users, WIDTH), rng.standard_normal(n_users)
    interests = rng.dirichlet(np.full(KINDS, 0.06), n_users)
    visits_each = 1 + rng.negative_binomial(0.7, 0.2, n_users)
    owner = np.repeat(np.arange(n_users), visits_each)
    day = np.sort(rng.random(len(owner)) * DAYS)
    owner = rng.permutation(owner)
    kind = picked(rng, interests, owner)
    length = 1 + rng.geometric(0.35, len(owner)).clip(max=15)

    visit = np.repeat(np.arange(len(owner)), length)
    step = np.arange(len(visit)) - np.repeat(np.cumsum(length) - length, length)
    users, days = owner[visit], day[visit] + step * 0.001
    month = (days // 28).astype(np.int64).clip(0, MONTHS - 1)
    begins = 28.0 * np.arange(MONTHS)[:, None]
    shown = np.exp(popularity + wandering(rng, MONTHS, n_items, step=0.3)) * ((born < begins) & (gone > begins))
    offered = np.empty((len(visit), CONSIDERED), np.int64)
    stray = rng.random(len(visit)) < CHANCE
    wanted = np.where(stray, rng.integers(KINDS, size=len(visit)), kind[visit])
    for one in range(KINDS):
        rows = np.flatnonzero(wanted == one)
        weights = shown * np.where(kind_of == one, 1.0, 0.002) + 1e-12
        offered[rows] = picked(rng, weights, np.repeat(month[rows], CONSIDERED)).reshape(-1, CONSIDERED)
    suits = 2.0 * np.einsum("nmd,nd->nm", style[offered], taste[users])
    suits += 0.4 * quality[offered] - 0.3 * (level[offered] - purse[users][:, None]) ** 2
    at = np.arange(len(visit))
    items = offered[at, best(rng, suits * ~stray[:, None])]
    # Later in a visit people look at things like the one before.
    like = suits + 2.0 * np.einsum("nmd,nd->nm", style[offered], style[np.roll(items, 1)])
    later = (step > 0) & ~stray
    items[later] = offered[at, best(rng, like)][later]

    match = 1.5 * np.einsum("nd,nd->n", style[items], taste[users]) + 0.5 * quality[items]
    match -= 0.3 * (level[items] - purse[users]) ** 2
    carted = rng.random(len(visit)) < 1 / (1 + np.exp(3.2 - match))
    bought = carted & (rng.random(len(visit)) < 0.4)
    # One purchase of a kind a visit: whoever has the lamp looks for no second one.
    once = np.unique(np.where(bought, visit, -1), return_index=True)[1]
    bought &= np.isin(at, once)
    parts = [
        log(
            users[some],
            items[some],
            days[some] + later_s / 86_400,
            kinds=name,
            price=pl.Series(price[items[some]].round(2)),
        )
        for name, some, later_s in (("view", at >= 0, 0), ("add_to_cart", carted, 20), ("purchase", bought, 60))
    ]
    events = pl.concat(parts).sort("timestamp", "user_id", "item_id", "event_type")

    names, makers, looks = words(rng, KINDS), words(rng, 150, length=3), words(rng, 24)
    maker = np.argmax(
        style @ directions(rng, len(makers), WIDTH).T + 0.3 * rng.gumbel(size=(n_items, len(makers))), axis=1
    )
    look = np.argmax(style @ directions(rng, len(looks), WIDTH).T, axis=1)
    titles = [
        f"{makers[m]} {looks[k].lower()} {names[t].lower()}" for m, k, t in zip(maker, look, kind_of, strict=True)
    ]
    catalogue = pl.DataFrame(
        {
            "item_id": ids("i", np.arange(n_items)),
            "title": titles,
            "category": [f"Department {t // 10} > {names[t]}" for t in kind_of],
            "brand": [makers[m] for m in maker],
            "price": price.round(2),
            "created_at": moments(born),
        }
    )
    return Shop(events, catalogue)
