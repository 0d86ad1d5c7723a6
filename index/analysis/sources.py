"""Which sources are worth fitting, and in which form: rules over plain numbers, for a rebuild as for an analysis."""

from __future__ import annotations

from typing import Literal

# A source of own items for users who hardly ever come back to one would only take places in the list of candidates.
LEAST_SEEN_SHARE = 0.01
# A square float64 matrix of that side is 0.8 GB, its inverse a minute on one core.
LARGEST_SQUARE = 10_000
# Similarities of users grow with the square of their number; the latest ones say most of what there is to say.
MOST_NEIGHBOURS = 50_000
# Popularity within a group of fewer users is their own taste, not the group's.
USERS_OF_A_SEGMENT = 30
LEAST_PROFILED_SHARE = 0.05

EaseForm = Literal["primal", "dual", "truncated", "none"]


def history_matters(share_seen: float) -> bool:
    """Whether own history is worth asking, by the share of positives whose user had an event of the item before."""
    return share_seen >= LEAST_SEEN_SHARE


def ease_form(n_users: int, n_items: int) -> EaseForm:
    """How EASE is solved for users with positives and items that several of them share.

    primal: a matrix of items (Steck 2019) · dual: the same solution by a matrix of users, when these are fewer ·
    truncated: primal over the most popular ``LARGEST_SQUARE`` items, when both are more · none: nothing to learn.
    """
    if min(n_users, n_items) < 2:
        return "none"
    if min(n_users, n_items) > LARGEST_SQUARE:
        return "truncated"
    return "dual" if n_users < n_items else "primal"


def n_neighbour_users(n_users: int) -> int:
    """Users whose lists are searched for neighbours, the latest active first; 0 when there is nobody to compare."""
    return min(n_users, MOST_NEIGHBOURS) if n_users >= 2 else 0


def makes_segments(n_known: int, n_distinct: int, *, is_number: bool) -> bool:
    """Whether a profile column divides users into groups large enough for a popularity of their own.

    Numbers are cut into bands, so that only how many users have one counts.
    """
    n_groups = 2 if is_number else n_distinct
    return n_distinct >= 2 and n_known >= USERS_OF_A_SEGMENT * n_groups
