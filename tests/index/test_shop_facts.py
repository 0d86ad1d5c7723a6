from __future__ import annotations

import math
from dataclasses import replace

import pytest

from index.shop_facts import SKETCH, Change, ShopFacts

NAMES = ("events", "users", "items", "repeat share", "new-item share")
THEN = ShopFacts(dict(zip(NAMES, (1000.0, 100.0, 50.0, 0.4, 0.002), strict=True)), tuple(range(50)), tuple(range(100)))


def now(**changed: float) -> ShopFacts:
    return replace(THEN, values={**THEN.values, **{name.replace("_", " "): value for name, value in changed.items()}})


def test_the_largest_change_comes_first_and_drift_begins_beyond_a_tenth() -> None:
    changes = THEN.changes(now(events=1080.0, users=95.0))
    assert [str(change) for change in changes[:2]] == ["events +8.0 %", "users -5.0 %"]
    assert not any(change.is_drift for change in changes)
    assert THEN.changes(now(events=1101.0))[0].is_drift
    assert THEN.changes(now(events=899.0))[0].is_drift
    assert str(THEN.changes(THEN)[0]) == "none"


def test_a_small_share_may_double_within_a_hundredth_of_the_whole() -> None:
    facts = now(repeat_share=0.45)
    facts = replace(facts, values={**facts.values, "new-item share": 0.008})
    assert THEN.changes(facts)[0] == Change("repeat share", pytest.approx(0.125))
    facts = replace(facts, values={**facts.values, "new-item share": 0.02})
    assert THEN.changes(facts)[0].fact == "new-item share"


def test_something_from_nothing_is_drift() -> None:
    assert replace(THEN, values={"items": 0.0}).changes(now())[0].relative == math.inf


def test_other_ids_are_another_shop() -> None:
    other = replace(THEN, items=tuple(range(3, 53)))
    change = THEN.changes(other)[0]
    assert (change.fact, change.relative) == ("ids of items in common", pytest.approx(47 / 53 - 1))
    assert change.is_drift


def test_sketches_of_long_lists_tell_their_overlap_about() -> None:
    from index.shop_facts import _overlap, _sketch

    one, other = [f"i{n}" for n in range(5000)], [f"i{n}" for n in range(1000, 6000)]
    assert len(_sketch(one)) == SKETCH
    assert _overlap(_sketch(one), _sketch(other)) == pytest.approx(4000 / 6000, abs=0.1)
    assert _overlap(_sketch(one), _sketch(one)) == 1.0


def test_facts_come_back_from_json() -> None:
    import json

    assert ShopFacts.from_json(json.loads(json.dumps(THEN.to_json()))) == THEN
