"""An analysis as tables of text, for a person: what is shown, not how."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from index.analysis.analysis import Analysis
from index.analysis.coverage import Column
from index.analysis.spread import Quantiles
from index.analysis.trend import BARS, trend
from index.defaults import Choice

UNKNOWN = "–"


@dataclass(frozen=True, slots=True)
class Section:
    """A titled table: ``headings`` of the columns, the first ``n_words`` of them words, the others figures."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_words: int = 1


def sections(analysis: Analysis, choices: Iterable[Choice], *, marks: str = BARS) -> tuple[Section, ...]:
    """What is worth showing of ``analysis``, in reading order; ``marks``: the signs of a trend, low to high."""
    parts = (
        _sizes(analysis),
        _spread(analysis),
        _concentration(analysis),
        _types(analysis),
        _repeats(analysis),
        _drift(analysis, marks),
        _coverage("Items: what is known", analysis.coverage.items),
        _coverage("Users: what is known", analysis.coverage.users),
        _ratings(analysis),
        _windows(analysis),
        Section(
            "What follows",
            ("setting", "value", "why"),
            tuple((choice.setting, choice.value, choice.why) for choice in choices),
            n_words=3,
        ),
    )
    return tuple(part for part in parts if part.rows)


def _sizes(analysis: Analysis) -> Section:
    sizes, cold, clock = analysis.sizes, analysis.cold, analysis.clock
    steps = {86_400: "days", 3_600: "hours", 60: "minutes", 1: "seconds"}
    rows = (
        ("users with events", _count(sizes.n_users)),
        ("users without events", _count(cold.n_users_without_events)),
        ("items with events", _count(sizes.n_items)),
        ("items without events", _count(cold.n_items_without_events)),
        ("events", _count(sizes.n_events)),
        ("events on items outside the items table", _count(cold.n_events_outside_catalogue)),
        ("first event", _day(sizes.first_at)),
        ("last event", _day(sizes.last_at)),
        ("days", f"{sizes.days:,.1f}"),
        ("pairs of user and item", _count(sizes.n_pairs)),
        ("density", f"{sizes.density:.3%}"),
        ("timestamps are", steps[clock.step_s]),
        ("events of a user at one time", _percent(clock.share_sharing_time)),
    )
    return Section("Sizes", ("", ""), rows)


def _spread(analysis: Analysis) -> Section:
    sizes = analysis.sizes
    rows = (
        ("events of a user", *_quantiles(sizes.events_per_user)),
        ("events on an item", *_quantiles(sizes.events_per_item)),
        ("baskets of a user", *_quantiles(sizes.baskets_per_user)),
        ("events in a basket", *_quantiles(sizes.basket_size)),
    )
    return Section("Spread", ("", "least", "25 %", "median", "75 %", "95 %", "most", "mean"), rows)


def _concentration(analysis: Analysis) -> Section:
    rows = tuple(
        (
            name,
            f"{found.gini:.3f}",
            _percent(found.share_of_top),
            _percent(found.share_of_largest),
            _count(found.n_for_half),
        )
        for name, found in (
            ("events over users", analysis.user_concentration),
            ("events over items", analysis.item_concentration),
        )
    )
    return Section("Concentration", ("", "Gini", "top 1 % hold", "largest holds", "so many hold half"), rows)


def _quantiles(quantiles: Quantiles) -> tuple[str, ...]:
    shown = (quantiles.least, quantiles.q25, quantiles.median, quantiles.q75, quantiles.q95, quantiles.most)
    return (
        *(_number(value) for value in shown),
        f"{quantiles.mean:,.1f}" if math.isfinite(quantiles.mean) else UNKNOWN,
    )


def _types(analysis: Analysis) -> Section:
    by_type, n_events = analysis.sizes.events_by_type, analysis.sizes.n_events
    leads = [name for name in by_type if any(step.by == name for step in analysis.funnel)]
    shares = {(step.of, step.by): _percent(step.share) for step in analysis.funnel}
    rows = tuple(
        (name, _count(n), _percent(n / n_events), *(shares.get((name, by), "") for by in leads))
        for name, n in by_type.items()
    )
    return Section("Event types", ("type", "events", "share", *(f"after {by}" for by in leads)), rows)


def _repeats(analysis: Analysis) -> Section:
    repeats, cold = analysis.repeats, analysis.cold
    gap = f"{repeats.median_gap_days:,.1f}" if math.isfinite(repeats.median_gap_days) else UNKNOWN
    rows = (
        ("target events on an item the user had", _percent(repeats.share_owned)),
        ("target events on an item the user had any event of", _percent(repeats.share_seen)),
        ("baskets with an item the user had", _percent(repeats.share_of_baskets)),
        ("median days between repeats", gap),
        ("newest window: target events of new users", _percent(cold.share_of_new_users)),
        ("newest window: target events on new items", _percent(cold.share_of_new_items)),
    )
    return Section("Old and new", ("", ""), rows)


def _drift(analysis: Analysis, marks: str) -> Section:
    windows = analysis.drift.windows
    if not windows:
        return Section("Drift", (), ())
    measures: tuple[tuple[str, list[float], Callable[[float], str]], ...] = (
        ("events", [window.n_events for window in windows], _number),
        ("users", [window.n_users for window in windows], _number),
        ("new users", [window.share_new_users for window in windows], _percent),
        ("items", [window.n_items for window in windows], _number),
        ("new items", [window.share_new_items for window in windows], _percent),
        ("distance of popularity", [window.js_distance for window in windows], _distance),
        ("of it by chance", [window.js_by_chance for window in windows], _distance),
        ("top 100 kept", [window.top_overlap for window in windows], _percent),
    )
    rows = tuple(
        (name, trend(values, marks), *map(spell, (values[0], *_range(values), values[-1])))
        for name, values, spell in measures
    )
    title = f"Drift: {len(windows)} windows of {analysis.drift.window_days:.3g} days"
    return Section(title, ("", "over time", "first", "least", "most", "newest"), rows, n_words=2)


def _range(values: Sequence[float]) -> tuple[float, float]:
    known = [value for value in values if math.isfinite(value)] or [math.nan]
    return min(known), max(known)


def _coverage(title: str, columns: Mapping[str, Column]) -> Section:
    rows = tuple(
        (
            name,
            column.kind,
            _percent(column.share_known),
            _percent(column.share_of_events),
            _count(column.n_distinct),
            f"{column.entropy_bits:.1f}",
        )
        for name, column in columns.items()
    )
    return Section(title, ("column", "kind", "known", "of events", "distinct", "bits"), rows, n_words=2)


def _ratings(analysis: Analysis) -> Section:
    ratings = analysis.ratings
    if ratings is None:
        return Section("Ratings", (), ())
    rows = (
        ("events with one", _percent(ratings.share_known)),
        ("median", f"{ratings.median:g}"),
        ("mean", f"{ratings.mean:.2f}"),
        *((f"of {value}", _percent(share)) for value, share in ratings.shares.items()),
    )
    return Section("Ratings", ("", ""), rows)


def _windows(analysis: Analysis) -> Section:
    rows = tuple(
        (
            _day(window.start),
            _day(window.end),
            _count(window.n_users),
            _count(window.n_positives),
            _percent(window.share_owned),
            _percent(window.share_seen),
        )
        for window in analysis.training.windows
    )
    headings = ("from", "to", "users", "positives", "had before", "seen before")
    return Section("Training windows, the newest first", headings, rows, n_words=2)


def _count(value: int) -> str:
    return f"{value:,}"


def _number(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0") if math.isfinite(value) else UNKNOWN


def _percent(value: float) -> str:
    return f"{value:.1%}" if math.isfinite(value) else UNKNOWN


def _distance(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else UNKNOWN


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
