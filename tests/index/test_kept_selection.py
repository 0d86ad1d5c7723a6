"""Kept selections: what comes back, for which shop, and for how long."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from index.ease import EaseSettings
from index.fit_settings import FitSettings
from index.heads import HEADS, SMALL
from index.kept_selection import MOST_KEPT, Selection, Selections, Shop, Verdict
from index.neighbours import Similarity
from index.policy_weights import PolicyWeights, Tried
from index.selection import Contender
from index.shop_facts import ShopFacts
from index.worth import Worth
from recsys.fusion import FOREST, LINEAR, SOURCE, STACKED, Fusion, LinearFusion

DAY, AT = 86_400, 1_750_000_000
FACTS = ShopFacts({"events": 1000.0, "users": 50.0}, (1, 2, 3), (4, 5, 6))
SHOP = Shop("kind" * 16, "data" * 16, AT, FACTS)
WEIGHED = LinearFusion(("ease_rank",), (0.1,), (1.5,), (0.7,))
SELECTION = Selection(
    shop=SHOP,
    fitting=FitSettings(ease=EaseSettings(regularisation=10.0), similarity=Similarity.JACCARD, others_weigh=0.3),
    verdicts={
        "home": Verdict(Contender(Fusion(STACKED, WEIGHED), SMALL), "it is best", 0.4, 4.0),
        "discover": Verdict(Contender(Fusion(SOURCE, source="ease"), None), "it is best", 0.05),
    },
    worths=(Worth("ease", {"all": 0.1}, 0.25, 1.0, "discover"), Worth("next", {"all": 1e-9}, 1e-8, 2.0)),
    policies={"home": PolicyWeights(0.0, 0.1, (Tried(0.0, 0.1, 0.4, 17),))},
    names=("ease_rank", "next_rank", "next_score", "own_count"),
)


@pytest.fixture
def selections(tmp_path: Path) -> Selections:
    return Selections(tmp_path / "new" / "selections")


def later(days: float, **facts: float) -> Shop:
    values = {**FACTS.values, **facts}
    return replace(SHOP, data=f"{days}", at=int(AT + days * DAY), facts=replace(FACTS, values=values))


def test_a_selection_comes_back_as_it_was_kept(selections: Selections) -> None:
    assert selections.fitting(SHOP) == (None, "")
    selections.keep(SELECTION)
    assert selections.fitting(SHOP) == (SELECTION, "")
    assert SELECTION.unpaid == {"next"}
    assert SELECTION.remaining == ("ease_rank", "own_count")
    assert SELECTION.verdicts["home"].contender.fusion.linear == WEIGHED


def test_it_holds_for_four_weeks_of_the_data_s_time_and_never_for_the_past(selections: Selections) -> None:
    selections.keep(SELECTION)
    assert selections.fitting(later(28))[0] == SELECTION
    assert selections.fitting(later(29)) == (None, "the selection of 2025-06-15 is 29 days old, 28 are allowed")
    assert selections.fitting(later(-1)) == (None, "")


def test_drift_ends_it_and_says_by_what(selections: Selections) -> None:
    selections.keep(SELECTION)
    assert selections.fitting(later(7, events=1099.0, users=46.0))[0] == SELECTION
    nothing, why = selections.fitting(later(7, events=1150.0, users=40.0))
    assert nothing is None
    assert why == "the data have drifted since the selection of 2025-06-15: users -20.0 % and 1 more"


def test_other_code_settings_or_columns_are_never_the_same_shop(selections: Selections) -> None:
    selections.keep(SELECTION)
    assert selections.fitting(replace(SHOP, kind="other" * 16)) == (None, "")


def test_the_newest_that_holds_is_taken_and_before_it_one_of_the_same_data(selections: Selections) -> None:
    older, newer = SELECTION, replace(SELECTION, shop=later(5))
    drifted = replace(SELECTION, shop=later(6, events=2000.0))
    for one in (newer, drifted, older):
        selections.keep(one)
    assert selections.fitting(later(7))[0] == newer
    assert selections.fitting(replace(later(7), data=SHOP.data))[0] == older


def test_nothing_is_used_again_where_that_is_not_wanted(selections: Selections) -> None:
    selections.keep(SELECTION)
    assert replace(selections, reuse=False).fitting(SHOP) == (None, "")


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"selection": {}, "sha256": ""}', None])
def test_a_damaged_selection_is_none(selections: Selections, damage: bytes | None) -> None:
    selections.keep(SELECTION)
    (path,) = selections.folder.iterdir()
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"0.05", b"0.06") if damage is None else damage)
    assert selections.fitting(SHOP) == (None, "")


def test_only_so_many_are_kept(selections: Selections) -> None:
    for number in range(MOST_KEPT + 3):
        selections.keep(replace(SELECTION, shop=replace(SHOP, data=f"{number:03d}")))
    assert len(list(selections.folder.iterdir())) == MOST_KEPT
    assert selections.fitting(replace(SHOP, data=f"{MOST_KEPT + 2:03d}"))[0] is not None


def test_linear_is_a_kind_that_comes_back_too(selections: Selections) -> None:
    linear = replace(
        SELECTION, worths=(), verdicts={"home": Verdict(Contender(Fusion(LINEAR, WEIGHED), None), "so", 0.1)}
    )
    selections.keep(linear)
    assert selections.fitting(SHOP)[0] == linear


def test_the_mean_of_forests_comes_back_with_its_parts(selections: Selections) -> None:
    mean = HEADS[0].means[0]
    assert len(mean.parts) == 2
    kept = replace(SELECTION, worths=(), verdicts={"home": Verdict(Contender(Fusion(FOREST), mean), "so", 0.1)})
    selections.keep(kept)
    assert selections.fitting(SHOP)[0] == kept
