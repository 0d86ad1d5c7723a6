"""Defaults that are worked out, and what is said of settings for nothing that occurs."""

from __future__ import annotations

import polars as pl
import pytest

from index.defaults import work_out_defaults
from index.settings import EventSettings, Settings, TrainingSettings

NONE_BELOW = "events.min_value: 4 (as configured; no event has a value, so none is below)"


@pytest.mark.parametrize(("value", "told"), [(None, [NONE_BELOW]), (5, [])])
def test_what_is_configured_for_nothing_that_occurs_is_said(value: float | None, told: list[str]) -> None:
    events = pl.DataFrame(
        {"event_type": ["view", "purchase"], "value": [None, value]},
        schema={"event_type": pl.Categorical, "value": pl.Float32},
    )
    asked = EventSettings(target_types=("view", "cart"), weights={"veiw": 0.7, "purchase": 0.5}, min_value=4.0)
    settings = Settings(events=asked, training=TrainingSettings(horizon_days=28))
    _, choices = work_out_defaults(settings, events, None)
    said = [str(choice) for choice in choices]
    assert "events.target_types: view (as configured; no event is cart)" in said
    assert "events.weights: purchase 0.5, view 1 (purchase as configured; no event is veiw)" in said
    assert [line for line in said if line.startswith("events.min_value")] == told
