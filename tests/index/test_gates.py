from __future__ import annotations

import math

import pytest

from index.gates import DEFAULT_LIMITS, Gate, gates_of, ratio, refuse_failed
from recsys.errors import GateFailed


@pytest.mark.parametrize(
    ("name", "value", "limit", "passed"),
    [
        ("ann_recall", 0.95, 0.9, True),
        ("ann_recall", 0.9, 0.9, True),
        ("ann_recall", 0.8999, 0.9, False),
        ("max_bytes", 100.0, 100.0, True),
        ("max_bytes", 101.0, 100.0, False),
        ("ndcg_vs_popular", None, 1.0, True),
    ],
)
def test_a_gate_has_a_floor_except_the_one_of_bytes(name: str, value: float | None, limit: float, passed: bool) -> None:
    assert Gate(name, value, limit).passed == passed


def test_a_configured_limit_replaces_the_default_and_no_other() -> None:
    gates = gates_of({"ann_recall": 0.5, "coverage": 0.1, "finite": math.nan}, {"ann_recall": 0.4}, n_validated=0)
    assert [(gate.name, gate.value, gate.limit) for gate in gates] == [
        ("ann_recall", 0.5, 0.4),
        ("coverage", 0.1, DEFAULT_LIMITS["coverage"]),
        ("finite", None, DEFAULT_LIMITS["finite"]),
    ]


def test_every_failed_gate_is_named_with_what_was_measured() -> None:
    gates = gates_of({"ann_recall": 0.5, "finite": 1.0, "ndcg_vs_history": 0.25}, {}, n_validated=200)
    with pytest.raises(GateFailed) as raised:
        refuse_failed(gates)
    assert "ann_recall is 0.5, the limit is 0.9" in str(raised.value)
    assert "ndcg_vs_history is 0.25" in str(raised.value)
    assert "finite" not in str(raised.value)
    refuse_failed([gate for gate in gates if gate.passed])


def test_a_gate_is_written_as_plain_values() -> None:
    assert Gate("finite", 1.0, 1).to_json() == {"name": "finite", "value": 1.0, "limit": 1.0, "passed": True}


@pytest.mark.parametrize(("value", "reference", "expected"), [(1.0, 2.0, 0.5), (None, 2.0, None), (1.0, None, None)])
def test_a_ratio_needs_both_sides(value: float | None, reference: float | None, expected: float | None) -> None:
    assert ratio(value, reference) == expected
    assert ratio(value, 0.0) is None


def test_quality_measured_on_few_users_counts_only_against_a_limit_that_was_given() -> None:
    values = {"ndcg_vs_history": 0.25, "ndcg_vs_popular": 0.25}
    few = gates_of(values, {"ndcg_vs_popular": 0.5}, n_validated=199)
    assert [gate.value for gate in few] == [None, 0.25]
    assert [gate.passed for gate in few] == [True, False]
    assert [gate.value for gate in gates_of(values, {}, n_validated=200)] == [0.25, 0.25]
