"""Every feature column has a word that people understand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from index.settings import OPTIONAL_SOURCES
from recsys.features.affinity import COLUMNS
from recsys.features.groups import AFFINITY, GROUPS, ITEM, SOURCES, TABLE, USER, groups_of
from recsys.features.item import ItemColumns
from recsys.features.profile import ProfileColumns
from recsys.features.repeat import Repeat
from recsys.features.user import UserColumns
from recsys.model import Snapshot
from recsys.serving import built_in


def test_every_column_of_a_full_snapshot_has_a_group(board: Snapshot) -> None:
    groups = groups_of(board.pipeline.families)
    assert len(groups) == len(board.feature_names)
    assert set(groups) == set(GROUPS)
    assert {type(family) for family in board.pipeline.families} == set(TABLE)


def test_the_tables_name_what_there_is_and_nothing_else() -> None:
    assert set(ITEM) == set(ItemColumns.names)
    assert set(USER) == set(UserColumns.names)
    assert set(AFFINITY) == set(COLUMNS)
    depths = {depth.source for config in built_in().values() for depth in config.depths}
    assert set(SOURCES) == depths | set(OPTIONAL_SOURCES)


def test_columns_stand_where_a_person_would_look(board: Snapshot) -> None:
    group = dict(zip(board.feature_names, groups_of(board.pipeline.families), strict=True))
    expected = {
        "history_rank": "repeat",
        "own_due": "repeat",
        "item_gap_weeks": "repeat",
        "ease_closeness": "collaborative",
        "next_rank": "collaborative",
        "content_rank": "content",
        "brand: affinity": "content",
        "brand: share": "popularity",
        "item_users_4w": "popularity",
        "similar-als_score": "context",
        "user_tenure_weeks": "context",
        "price_to_user": "price",
        "item_price": "price",
        "segment_rank": "profile",
        # Not a source's rank: a profile column may have any name.
        "profile: loyalty_rank": "profile",
    }
    assert {name: group[name] for name in expected} == expected
    assert Counter(group.values())["price"] == 3


def test_a_profile_column_named_like_another_is_still_the_profile() -> None:
    named = (Repeat(), ProfileColumns(("own_count", "item_price", "x: affinity")))
    assert groups_of(named)[-3:] == ("profile",) * 3


@dataclass(frozen=True, slots=True)
class _Wider(Repeat):
    names = (*Repeat.names, "own_mood")


def test_a_new_column_or_family_without_a_group_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError):
        groups_of((_Wider(),))
    monkeypatch.setattr(ItemColumns, "names", (*ItemColumns.names, "item_mood"))
    with pytest.raises(KeyError):
        groups_of((ItemColumns(),))
