"""A savings bank with twenty-one products and people it knows well.

Every month a customer uses what they hold (a card most months, an insurance now and then) and may take something new.
What somebody takes follows from who they are: each product has an age it is for, wants an income, children, a house or
a life in town, mostly presupposes a current account, and follows others (an insurance the mortgage). Campaigns lift
products for some months, one in six new things comes out of nowhere, and about one in a hundred holdings is given up
each month. The profile is what a bank's files hold: incomes are missing for a fifth and noisy for the rest, and nothing
says how a customer lives. Realistic: retail banks' logs look like this, with few products, hazards by age and income,
and a portfolio that says as much as the profile.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from shops.shop import Shop, ids, log

MONTHS = 24
MONTH_DAYS = 28.0
# name, family, age it is for, how wide that is, pull of income, children, own house, town, uses a month
PRODUCTS = (
    ("Current account", "accounts", 35, 40, 0.0, 0.0, 0.0, 0.0, 0.95),
    ("Youth account", "accounts", 16, 4, 0.0, 0.0, 0.0, 0.0, 0.80),
    ("Joint account", "accounts", 38, 12, 0.1, 0.6, 0.4, 0.0, 0.80),
    ("Debit card", "cards", 35, 30, 0.0, 0.0, 0.0, 0.2, 0.97),
    ("Credit card", "cards", 36, 16, 0.5, 0.0, 0.0, 0.5, 0.85),
    ("Gold card", "cards", 46, 14, 1.2, 0.0, 0.2, 0.4, 0.70),
    ("Travel card", "cards", 29, 10, 0.4, -0.4, -0.2, 0.8, 0.30),
    ("Savings book", "savings", 60, 16, 0.0, 0.0, 0.1, -0.5, 0.35),
    ("Instant savings", "savings", 34, 16, 0.2, 0.1, 0.0, 0.2, 0.50),
    ("Children's savings", "savings", 36, 8, 0.3, 1.6, 0.2, 0.0, 0.40),
    ("Building savings", "savings", 31, 8, 0.4, 0.4, -0.6, -0.3, 0.60),
    ("Fund plan", "investing", 40, 14, 0.9, 0.0, 0.2, 0.3, 0.60),
    ("Brokerage account", "investing", 44, 16, 1.3, -0.2, 0.2, 0.4, 0.35),
    ("Pension plan", "investing", 47, 10, 0.6, 0.1, 0.3, 0.0, 0.60),
    ("Student loan", "loans", 21, 3, -0.6, -0.5, -0.8, 0.5, 0.70),
    ("Car loan", "loans", 37, 14, 0.2, 0.5, 0.2, -0.8, 0.85),
    ("Mortgage", "loans", 37, 7, 0.9, 0.6, 1.2, -0.3, 0.90),
    ("Household insurance", "insurance", 42, 16, 0.3, 0.4, 0.9, 0.0, 0.15),
    ("Life insurance", "insurance", 38, 8, 0.4, 0.9, 0.4, 0.0, 0.15),
    ("Travel insurance", "insurance", 48, 18, 0.5, 0.1, 0.1, 0.3, 0.12),
    ("Payment protection", "insurance", 40, 12, -0.2, 0.3, 0.2, 0.0, 0.30),
)
CURRENT, CHANCE, GIVEN_UP = 0, 1 / 6, 0.01
# Taking the first makes the second likelier, by so much in logits.
LEADS_TO = (
    (0, 3, 1.5),
    (0, 4, 0.7),
    (4, 6, 0.8),
    (16, 17, 1.8),
    (16, 18, 1.4),
    (15, 20, 1.0),
    (8, 11, 0.8),
    (11, 12, 0.9),
    (4, 5, 0.5),
    (6, 19, 1.0),
)


def make(*, seed: int = 7, size: float = 1.0) -> Shop:
    """5,000 x ``size`` customers over 24 months of 28 days."""
    rng = np.random.default_rng(seed)
    n = max(int(5_000 * size), 40)
    table = np.array([row[2:] for row in PRODUCTS], np.float64)
    centre, width, by_income, by_children, by_house, by_town, uses = table.T
    n_products = len(PRODUCTS)

    age = np.clip(rng.gamma(6.0, 7.5, n), 15, 92)
    town = rng.random(n) < 0.55
    grown = np.clip((age - 22) / 25, 0, 1)
    income = 0.9 * grown + 0.4 * town + 0.7 * rng.standard_normal(n) - 0.5 * (age > 67)
    parent = rng.random(n) < 0.65 * np.exp(-(((age - 40) / 13) ** 2))
    house = rng.random(n) < 1 / (1 + np.exp(-(0.05 * (age - 42) + 0.7 * income - 1.2 * town)))
    # What no file says: how willing somebody is, and what they care for.
    willing = 0.6 * rng.standard_normal(n)
    careful = rng.standard_normal((n, 2)) @ rng.standard_normal((2, n_products)) * 0.5

    pull = -0.5 * ((age[:, None] - centre) / width) ** 2 + careful + willing[:, None]
    for value, by in ((income, by_income), (parent, by_children), (house, by_house), (town, by_town)):
        pull = pull + value[:, None] * by
    leads = np.zeros((n_products, n_products))
    for first, second, lift in LEADS_TO:
        leads[first, second] = lift
    campaigns = 0.9 * (rng.random((MONTHS, n_products)) < 0.12)

    joined = np.where(rng.random(n) < 0.7, 0, rng.integers(MONTHS, size=n))
    held = np.zeros((n, n_products), bool)
    users, items, days = [], [], []
    # Ten years in short before the log begins: whoever is there holds something already.
    for month in range(-24, MONTHS):
        there = month >= np.where(joined == 0, -24, joined)
        logits = pull + held @ leads - 4.2 + (campaigns[month] if month >= 0 else 0.0)
        logits -= 1.5 * ~held[:, [CURRENT]] * (np.arange(n_products) > 2)
        chance = 1 / (1 + np.exp(-logits)) * (1 - CHANCE) + CHANCE * 0.004
        takes = ~held & (rng.random(held.shape) < chance) & there[:, None]
        held = (held & (rng.random(held.shape) >= GIVEN_UP)) | takes
        if month < 0:
            continue
        used = takes | (held & (rng.random(held.shape) < uses) & there[:, None])
        who, what = np.nonzero(used)
        users.append(who)
        items.append(what)
        days.append(MONTH_DAYS * (month + rng.random(len(who))))
    user, item, day = np.concatenate(users), np.concatenate(items), np.concatenate(days)

    said = np.where(
        rng.random(n) < 0.2, np.nan, np.round(2_200 * np.exp(0.5 * income + 0.15 * rng.standard_normal(n)), -2)
    )
    profiles = pl.DataFrame(
        {
            "user_id": ids("u", np.arange(n)),
            "age": age.astype(np.int64),
            "monthly_income": pl.Series(said).fill_nan(None),
            "children": parent,
            "residence": np.where(town, "town", "country"),
            "housing": np.where(rng.random(n) < 0.1, "unknown", np.where(house, "own", "rented")),
            "branch": [f"branch {b}" for b in rng.integers(12, size=n)],
        }
    )
    catalogue = pl.DataFrame(
        {
            "item_id": ids("i", np.arange(n_products)),
            "title": [row[0] for row in PRODUCTS],
            "category": [row[1] for row in PRODUCTS],
        }
    )
    return Shop(log(user, item, day), catalogue, profiles)
