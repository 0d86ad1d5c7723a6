"""What follows from the numbers: every default with its value and its reason."""

from __future__ import annotations

import math
from collections.abc import Callable

from index.analysis.analysis import Analysis
from index.defaults import Choice
from index.ease import EaseForm, EaseSettings, form_of, rank_of
from index.factorise import AlsSettings, can_factorise
from index.fit import grouped_by
from index.given import TwoTowerSettings
from index.neighbours import most_pooled
from index.segments import makes_segments
from index.two_tower import trains_towers

# Item columns that are no code family.
NO_FAMILIES = ("title", "text", "category", "price", "created_at")


def choices(analysis: Analysis) -> tuple[Choice, ...]:
    """The defaults in the order a rebuild makes them: of the tables, of the windows, of the sources."""
    made = (rule(analysis) for rule in RULES)
    return (*analysis.chosen, *(choice for choice in made if choice is not None))


def _min_value(analysis: Analysis) -> Choice | None:
    ratings = analysis.ratings
    if ratings is None:
        return None
    if math.isnan(ratings.min_value):
        return Choice("events.min_value", "none", "so every rating counts as a liking")
    return Choice(
        "events.min_value", f"{ratings.min_value:g}", f"as configured; {ratings.share_below:.1%} of ratings are below"
    )


def _horizon(analysis: Analysis) -> Choice | None:
    training, days = analysis.training, analysis.sizes.days
    if any(choice.setting == "training.horizon_days" for choice in analysis.chosen):
        return None
    if not training.windows:
        return Choice("training.horizon_days", "none", f"since {days:,.1f} days are too short for a window")
    if training.days == training.asked_days:
        return Choice("training.horizon_days", f"{training.days:g}", f"which {days:,.0f} days leave room for")
    why = f"a quarter of the {days:,.1f} days there are; {training.asked_days} would need twice as many"
    return Choice("training.horizon_days", f"{training.days:.3g}", why)


def _windows(analysis: Analysis) -> Choice:
    training = analysis.training
    if not training.windows:
        return Choice("training.windows", "0", "so no ranker is trained: sources are fused")
    users = ", ".join(f"{window.n_users:,}" for window in training.windows)
    why = f"with {users} users, the newest first"
    if training.asked is not None and len(training.windows) < training.asked:
        why += f"; {training.asked} would leave the oldest without a past as long as itself"
    return Choice("training.windows", str(len(training.windows)), why)


def _history(analysis: Analysis) -> Choice:
    windows = analysis.training.windows
    n_positives = sum(window.n_positives for window in windows)
    if n_positives:
        seen = sum(window.share_seen * window.n_positives for window in windows if window.n_positives) / n_positives
        what = "of the windows' positives are of items the user had an event of before the window"
    else:
        seen, what = analysis.repeats.share_seen, "of target events are of items the user had an event of before"
    return Choice("sources.history", "yes", f"which says nothing without repeats; {seen:.1%} {what}")


def _popular(_: Analysis) -> Choice:
    return Choice("sources.popular", "yes", "the source that always answers")


def _as_it_is(name: str, why: str) -> Callable[[Analysis], Choice]:
    return lambda _: Choice(f"sources.{name}", "yes", why)


def _als(analysis: Analysis) -> Choice:
    n_users, n_items = analysis.sizes.n_paired_users, analysis.sizes.n_paired_items
    why = f"from {n_users:,} users and {n_items:,} items that at least {AlsSettings().least_users} of them share"
    return Choice("sources.als", _yes(can_factorise(n_users, n_items)), why)


def _ease(analysis: Analysis) -> Choice:
    n_users, n_items, settings = analysis.sizes.n_sharers, analysis.sizes.n_shared_items, EaseSettings()
    form, rank = form_of(n_users, n_items, settings), rank_of(n_users, n_items, settings)
    there = f"{n_users:,} users and {n_items:,} items that at least {settings.least_users} of them share"
    kept = "in full" if rank == min(n_users, n_items) else f"cut to {rank} columns"
    why = {
        EaseForm.PRIMAL: f"{there}: the matrix of items is the smaller one, {kept}",
        EaseForm.DUAL: f"{there}: the matrix of users is the smaller one, {kept}",
        EaseForm.HEAD: f"{there}: only the {min(settings.most_items, n_items):,} most used items fit into a matrix",
        EaseForm.NONE: f"{there} are too few",
    }
    return Choice("sources.ease", form, why[form])


def _neighbours(analysis: Analysis) -> Choice:
    n_users = analysis.sizes.n_likers
    n_pooled = most_pooled(n_users)
    if not n_pooled:
        return Choice("sources.user-knn", "none", "nobody to compare a user with")
    why = "those active lately" if n_pooled == n_users else f"the most recently active of {n_users:,}"
    return Choice("sources.user-knn", f"up to {n_pooled:,} users", why)


def _affinity(analysis: Analysis) -> Choice:
    columns = analysis.coverage.items
    # In the catalogue's order: category levels, the brand, attributes.
    families = [name for name in columns if name.startswith("category_")]
    families += [name for name in columns if name not in (*families, *NO_FAMILIES)]
    groups = {name: columns[name].n_distinct for name in families}
    name = grouped_by(groups, analysis.sizes.n_known_items)
    if not name:
        return Choice("sources.affinity", "none", "since no category, brand or attribute tells items apart")
    return Choice("sources.affinity", name, f"{groups[name]:,} groups of {analysis.sizes.n_known_items:,} items")


def _content(analysis: Analysis) -> Choice:
    text = analysis.coverage.items["text"]
    if not text.n_distinct:
        return Choice("sources.content", "no", "since no item has a text")
    why = f"{text.share_of_events:.1%} of events are on items with a text, {text.n_distinct:,} distinct ones"
    return Choice("sources.content", "yes", why)


def _segments(analysis: Analysis) -> Choice:
    n_users, profiled = analysis.sizes.n_users, analysis.coverage.share_of_users_with_profile
    why = f"{profiled:.1%} of users have a profile"
    if not makes_segments(round(profiled * n_users)):
        return Choice("sources.segment", "none", why)
    names = [name for name, column in analysis.coverage.users.items() if column.n_distinct]
    return Choice("sources.segment", ", ".join(names), why)


def _two_tower(analysis: Analysis) -> Choice:
    n_users, n_positives, settings = analysis.sizes.n_likers, analysis.sizes.n_positives, TwoTowerSettings()
    why = f"{n_users:,} users with {n_positives:,} positives; trained from {settings.least_users:,} and "
    why += f"{settings.least_positives:,} on"
    return Choice("sources.two-tower", _yes(trains_towers(n_users, n_positives, settings)), why)


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


RULES: tuple[Callable[[Analysis], Choice | None], ...] = (
    _min_value,
    _horizon,
    _windows,
    _history,
    _popular,
    _als,
    _ease,
    _as_it_is("item-knn", "items that the same users take"),
    _neighbours,
    _as_it_is("next", "what users take after an item"),
    _as_it_is("item2vec", "items that lie in one basket"),
    _content,
    _affinity,
    _segments,
    _as_it_is("first", "what users take for the first time lately"),
    _as_it_is("trending", "what is taken most, fading over two weeks"),
    _as_it_is("fresh", "the most taken of what was first taken in the last 4 weeks"),
    _two_tower,
)
