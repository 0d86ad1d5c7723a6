"""A player of songs that hands over nothing but ids: who, what, when.

Listeners like a few of thirty scenes and drift from one to another over the months; each has a habit of their own, so
that from a fifth to most of what they play was played before, lately rather than long ago. What is new to them comes
from a scene, by what is popular there and by their taste, or goes on with the album of the last song. A tenth of plays
are chance. Songs come out all the time, are played most in their first weeks and fade. Realistic: repeats by recency,
albums, scenes and fashions are what logs of listening show, and such logs often come as bare ids.
"""

from __future__ import annotations

import numpy as np
from shops.draws import best, directions, heavy, picked
from shops.shop import Ints, Shop, log

DAYS = 196
SCENES = 30
ALBUM = 8
WIDTH = 6
CONSIDERED = 15
CHANCE, GOES_ON = 0.1, 0.25
WEEKS = 28


def make(*, seed: int = 7, size: float = 1.0) -> Shop:
    """5,000 x ``size`` listeners among 4,000 x √size songs; about 60 plays each. No items table, no users table."""
    rng = np.random.default_rng(seed)
    n_users, n_items = max(int(5_000 * size), 40), max(int(4_000 * size**0.5) // ALBUM, 20) * ALBUM
    album = np.arange(n_items) // ALBUM
    n_albums = n_items // ALBUM
    scene_of = picked(rng, heavy(rng, SCENES, spread=0.6)[None, :], np.zeros(n_albums, np.int64))[album]
    style = directions(rng, n_albums, WIDTH)[album] + 0.3 * rng.standard_normal((n_items, WIDTH))
    out = np.where(rng.random(n_albums) < 0.6, -200.0, rng.uniform(-30, DAYS, n_albums))[album]
    popularity = np.log(heavy(rng, n_albums, spread=1.0))[album] + 0.7 * rng.standard_normal(n_items)

    before, after = rng.dirichlet(np.full(SCENES, 0.08), (2, n_users))
    after = 0.6 * before + 0.4 * after
    taste = directions(rng, n_users, WIDTH)
    habit = rng.beta(3.0, 3.0, n_users)
    plays = rng.negative_binomial(0.9, 0.9 / 60.0, n_users) + 2
    users = np.repeat(np.arange(n_users), plays)
    joined = rng.uniform(-DAYS, 0.9 * DAYS, n_users).clip(0)
    days = joined[users] + rng.random(len(users)) * (DAYS - joined[users])
    days = days[np.lexsort((days, users))]
    place = np.arange(len(users)) - np.repeat(np.cumsum(plays) - plays, plays)

    late = rng.random(len(users)) < days / DAYS
    scene = np.where(late, picked(rng, after, users), picked(rng, before, users))
    stray = rng.random(len(users)) < CHANCE
    scene = np.where(stray, rng.integers(SCENES, size=len(users)), scene)
    week = (days // 7).astype(np.int64).clip(0, WEEKS - 1)
    age = 7.0 * np.arange(WEEKS)[:, None] - out
    played = np.exp(popularity + 2.0 * np.exp(-age.clip(0) / 20.0)) * (age > 0) + 1e-12
    offered = np.empty((len(users), CONSIDERED), np.int64)
    for one in range(SCENES):
        rows = np.flatnonzero(scene == one)
        weights = played * np.where(scene_of == one, 1.0, 0.01)
        offered[rows] = picked(rng, weights, np.repeat(week[rows], CONSIDERED)).reshape(-1, CONSIDERED)
    suits = 1.2 * np.einsum("nmd,nd->nm", style[offered], taste[users]) * ~stray[:, None]
    items = offered[np.arange(len(users)), best(rng, suits)]

    # Either something new, or the next of the album before, or again what one played a while ago.
    draw = rng.random(len(users))
    again = (draw < habit[users]) & (place > 0) & ~stray
    goes_on = ~again & (draw < habit[users] + (1 - habit[users]) * GOES_ON) & (place > 0) & ~stray
    back = np.minimum(rng.geometric(0.06, len(users)), place)
    origin = np.where(again, np.arange(len(users)) - back, np.where(goes_on, np.arange(len(users)) - 1, -1))
    return Shop(log(users, resolved(items, origin, goes_on), days, kinds="play"))


def resolved(items: Ints, origin: Ints, goes_on: np.ndarray) -> Ints:
    """``items`` (n,) where each play that has an ``origin`` (n,), an earlier row or -1, repeats it or goes on from it.

    Chains are followed by halves: every round looks twice as far back, so that a million rows take twenty rounds.
    """
    ahead = goes_on.astype(np.int64)
    at = np.where(origin >= 0, origin, np.arange(len(items)))
    while (at[at] != at).any():
        ahead, at = ahead + np.where(at != np.arange(len(at)), ahead[at], 0), at[at]
    first = items[at]
    return first // ALBUM * ALBUM + (first % ALBUM + ahead) % ALBUM
