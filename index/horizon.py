"""How far ahead lists are made for: four weeks, or less where what is taken does not last so long."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from index.settings import USUAL_HORIZON_DAYS
from recsys.decay import DAY_S

# The longest first.
HORIZONS_DAYS = (USUAL_HORIZON_DAYS, 14, 7, 3, 1)
# A horizon is too long when it leaves this share of what is known a day ahead.
LEAST_KNOWN = 0.7


def horizon_days(events: pl.DataFrame, target_types: Sequence[str]) -> tuple[int, float, float]:
    """The longest of HORIZONS_DAYS, the share of target events that it leaves known, and the share a day leaves.

    events: user_id, item_id, event_type, time (epoch seconds). Known is what had an event of any type before a window
    began in which the event lies somewhere. Judged by the newer half of the time; rare items, which no horizon makes
    known, shorten none, nor does a log that is short itself: a horizon longer than half of it is taken for that half.
    """
    half_days = (int(str(events["time"].max())) - int(str(events["time"].min()))) / DAY_S / 2
    since = events.group_by("item_id").agg(since=pl.col("time").min())
    newer = pl.col("time") >= (pl.col("time").min() + pl.col("time").max()) // 2
    taken = events.filter(newer).filter(pl.col("event_type").cast(pl.String).is_in(target_types))
    if not taken.height:
        return HORIZONS_DAYS[0], 1.0, 1.0
    ages = taken.join(since, on="item_id").select((pl.col("time") - pl.col("since")) / DAY_S).to_series()
    # An item of that age is known to so many of the moments at which a window around its event can begin.
    known = {}
    for days in HORIZONS_DAYS:
        shares = (ages / min(days, max(half_days, 1e-9))).clip(upper_bound=1.0)
        known[days] = float(shares.mean() or 0.0)  # type: ignore[arg-type]
    a_day = known[HORIZONS_DAYS[-1]]
    found = next(days for days in HORIZONS_DAYS if known[days] >= LEAST_KNOWN * a_day)
    return found, known[found], a_day
