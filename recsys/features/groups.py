"""Which of a few words for people every feature column stands under: the table that contributions are summed by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from recsys.features.affinity import Affinity
from recsys.features.assemble import Family
from recsys.features.closeness import Closeness
from recsys.features.item import ItemColumns
from recsys.features.platform import PlatformColumns
from recsys.features.profile import ProfileColumns
from recsys.features.repeat import Repeat
from recsys.features.retrieval import Retrieval
from recsys.features.user import UserColumns

# What the user does again · what people of like taste do · what the item is · who the user is · what everybody does,
# and how new the item is · what it costs · what is true of the question whatever the item: the page, the text
# searched for, and how active and faithful the user is.
REPEAT, COLLABORATIVE, CONTENT, PROFILE = "repeat", "collaborative", "content", "profile"
POPULARITY, PRICE, CONTEXT = "popularity", "price", "context"
GROUPS = (REPEAT, COLLABORATIVE, CONTENT, PROFILE, POPULARITY, PRICE, CONTEXT)

SOURCES: Mapping[str, str] = {
    "history": REPEAT,
    "popular": POPULARITY,
    "als": COLLABORATIVE,
    "similar-als": CONTEXT,
    "content": CONTENT,
    "similar-content": CONTEXT,
    "ease": COLLABORATIVE,
    "item-knn": COLLABORATIVE,
    "user-knn": COLLABORATIVE,
    "next": COLLABORATIVE,
    "item2vec": COLLABORATIVE,
    "affinity": CONTENT,
    "segment": PROFILE,
    "first": POPULARITY,
    "trending": POPULARITY,
    "fresh": POPULARITY,
    "two-tower": COLLABORATIVE,
    "adoption": COLLABORATIVE,
}
ITEM: Mapping[str, str] = {
    "item_users_4w": POPULARITY,
    "item_users_12w": POPULARITY,
    "item_users_all": POPULARITY,
    "item_weight_4w": POPULARITY,
    "item_trend": POPULARITY,
    "item_repeat_rate": REPEAT,
    "item_return_rate": REPEAT,
    "item_gap_weeks": REPEAT,
    "item_first_rate_4w": POPULARITY,
    "item_first_rate_8w": POPULARITY,
    "item_age_weeks": POPULARITY,
    "item_users_1w": POPULARITY,
    "item_popularity_2w": POPULARITY,
    "item_first_chance_8w": POPULARITY,
    "item_season": POPULARITY,
    "item_price": PRICE,
    "item_created_weeks": POPULARITY,
}
USER: Mapping[str, str] = {
    "user_events": CONTEXT,
    "user_items": CONTEXT,
    "user_baskets": CONTEXT,
    "user_events_4w": CONTEXT,
    "user_since_weeks": CONTEXT,
    "user_tenure_weeks": CONTEXT,
    "user_basket_size": CONTEXT,
    "user_repeat_share": CONTEXT,
    "user_price": PRICE,
    "price_to_user": PRICE,
}
AFFINITY: Mapping[str, str] = {
    "affinity": CONTENT,
    "items": CONTENT,
    "since_weeks": CONTENT,
    "share": POPULARITY,
    "discoveries": CONTENT,
    "expected": CONTENT,
}

# By family, since a profile column or a category of a shop may have any name.
TABLE: Mapping[type[Family], Callable[[str], str]] = {
    Retrieval: lambda name: SOURCES[name.rpartition("_")[0]],
    Repeat: dict.fromkeys(Repeat.names, REPEAT).__getitem__,
    ItemColumns: ITEM.__getitem__,
    UserColumns: USER.__getitem__,
    Affinity: lambda name: AFFINITY[name.rpartition(": ")[2]],
    Closeness: lambda name: SOURCES[name.rpartition("_")[0]],
    ProfileColumns: lambda _: PROFILE,
    PlatformColumns: lambda _: CONTEXT,
}


def groups_of(families: Sequence[Family]) -> tuple[str, ...]:
    """The group of every column of ``families``, in order. KeyError for a column that has none."""
    return tuple(TABLE[type(family)](name) for family in families for name in family.names)
