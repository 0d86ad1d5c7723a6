"""What follows from the numbers: every default with its value and its reason."""

from __future__ import annotations

import math
from collections.abc import Callable

from index.analysis import sources
from index.analysis.analysis import Analysis
from index.defaults import Choice


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


def _horizon(analysis: Analysis) -> Choice:
    training, days = analysis.training, analysis.sizes.days
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
    return Choice("sources.history", _yes(sources.history_matters(seen)), f"{seen:.1%} {what}")


def _popular(_: Analysis) -> Choice:
    return Choice("sources.popular", "yes", "the source that always answers")


def _als(analysis: Analysis) -> Choice:
    sizes = analysis.sizes
    why = f"from {sizes.n_likers:,} users with a positive"
    return Choice("sources.als", _yes(min(sizes.n_likers, sizes.n_shared_items) >= 2), why)


def _ease(analysis: Analysis) -> Choice:
    n_users, n_items = analysis.sizes.n_likers, analysis.sizes.n_shared_items
    form = sources.ease_form(n_users, n_items)
    there = f"{n_users:,} users and {n_items:,} items that at least 3 of them share"
    why = {
        "primal": f"{there}: the matrix of items is the smaller one",
        "dual": f"{there}: the matrix of users is the smaller one",
        "truncated": f"{there}: only the {sources.LARGEST_SQUARE:,} most popular items fit into a matrix",
        "none": f"{there} are too few",
    }
    return Choice("sources.ease", form, why[form])


def _neighbours(analysis: Analysis) -> Choice:
    n_users = analysis.sizes.n_likers
    n_kept = sources.n_neighbour_users(n_users)
    if not n_kept:
        return Choice("sources.neighbours", "none", "nobody to compare a user with")
    why = "all with a positive" if n_kept == n_users else f"the latest of {n_users:,}, which bounds the search"
    return Choice("sources.neighbours", f"{n_kept:,} users", why)


def _content(analysis: Analysis) -> Choice:
    text = analysis.coverage.items["text"]
    if not text.n_distinct:
        return Choice("sources.content", "no", "since no item has a text")
    why = f"{text.share_of_events:.1%} of events are on items with a text, {text.n_distinct:,} distinct ones"
    return Choice("sources.content", "yes", why)


def _segments(analysis: Analysis) -> Choice:
    profiled = analysis.coverage.share_of_users_with_profile
    if profiled < sources.LEAST_PROFILED_SHARE:
        return Choice("sources.segments", "none", f"{profiled:.1%} of users have a profile")
    n_users = analysis.sizes.n_known_users
    names = [
        name
        for name, column in analysis.coverage.users.items()
        if sources.makes_segments(
            round(column.share_known * n_users), column.n_distinct, is_number=column.kind == "number"
        )
    ]
    why = f"profile columns with {sources.USERS_OF_A_SEGMENT} users a group; {profiled:.1%} of users have a profile"
    return Choice("sources.segments", ", ".join(names) or "none", why if names else f"no {why}")


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
    _neighbours,
    _content,
    _segments,
)
