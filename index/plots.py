"""Plots as SVG for a page: no background, colours that follow the page's, text that stays text. Hides matplotlib."""

from __future__ import annotations

import io
import math
import re
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from recsys.evaluation.bootstrap import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# matplotlib knows fixed colours only: these are drawn, then replaced by what a style sheet can change.
_INK, _ACCENT, _OTHER, _RULE = "#010203", "#010204", "#010205", "#010206"
_STYLED = {
    _INK: "currentColor",
    _ACCENT: "var(--accent, #0b62c4)",
    _OTHER: "var(--other, #7a8699)",
    _RULE: "var(--rule, #9aa4b2)",
}
_WIDTH, _ROW, _PANEL = 6.4, 0.3, 4.8  # inches: of a drawing, of a row in it, of a panel of points
_SMALL, _LINE, _LETTER = 7.5, 9.0, 4.4  # of names beside points: size, height of a line, width of a letter, in points
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tributary",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _RULE,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _RULE,
    "grid.linewidth": 0.5,
    "grid.linestyle": ":",
}


def bars(means: Mapping[str, Interval], *, highlight: str, axis: str, label: str) -> str:
    """A bar a name, the best on top, with its interval. ``label`` is what the picture says to who cannot see it."""
    ordered = sorted(means, key=lambda name: means[name].mean)

    def draw(figure: Figure) -> None:
        axes = _row_axes(figure, ordered, axis)
        colours = [_ACCENT if name == highlight else _OTHER for name in ordered]
        axes.barh(range(len(ordered)), [means[name].mean for name in ordered], color=colours, height=0.65)
        for row, name in enumerate(ordered):
            _whisker(axes, row, means[name], _INK)
        axes.set_xlim(left=0)

    return _svg(draw, _ROW * len(ordered) + 0.6, label)


def forest(differences: Mapping[str, Interval], *, axis: str, label: str) -> str:
    """A point and its interval a name, the largest lead on top, with a line at 0; faint where the interval holds 0."""
    ordered = sorted(differences, key=lambda name: differences[name].mean)

    def draw(figure: Figure) -> None:
        axes = _row_axes(figure, ordered, axis)
        axes.axvline(0, color=_INK, linewidth=0.8)
        for row, name in enumerate(ordered):
            found = differences[name]
            colour = _ACCENT if found.excludes_zero else _OTHER
            _whisker(axes, row, found, colour)
            axes.plot([found.mean], [row], "o", color=colour, markersize=5)

    return _svg(draw, _ROW * len(ordered) + 0.6, label)


def tradeoffs(
    figures: Mapping[str, Mapping[str, float]], *, metrics: Sequence[str], against: str, highlight: str, label: str
) -> str:
    """``against`` over each of ``metrics``, a panel a metric and a labelled point a name; what is NaN is left out."""
    n_rows = math.ceil(len(metrics) / 2)

    def draw(figure: Figure) -> None:
        panels = list(figure.subplots(n_rows, 2, squeeze=False, sharey=True).flat)
        for axes, metric in zip(panels, metrics, strict=False):
            _frame(axes)
            axes.grid(True)
            axes.margins(0.12, 0.12)
            axes.locator_params(nbins=5)
            axes.set_xlabel(metric)
            for name, (x, y) in _points(figures, metric, against).items():
                axes.plot([x], [y], "o", color=_ACCENT if name == highlight else _OTHER, markersize=5)
        for axes in panels[len(metrics) :]:
            axes.set_visible(False)
        for axes in panels[::2]:
            axes.set_ylabel(against)
        # Names are put where points lie on paper, so the layout must not move afterwards.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for axes, metric in zip(panels, metrics, strict=False):
            _name_points(axes, _points(figures, metric, against))

    return _svg(draw, 0.75 * _PANEL * n_rows, label, width=2 * _PANEL)


def _points(figures: Mapping[str, Mapping[str, float]], metric: str, against: str) -> dict[str, tuple[float, float]]:
    points = {name: (found.get(metric, math.nan), found[against]) for name, found in figures.items()}
    return {name: point for name, point in points.items() if all(map(math.isfinite, point))}


def _name_points(axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Names beside their points, to the right or the left, as near as they lie on no other name or point."""
    box = axes.get_window_extent()
    on_paper = {name: axes.transData.transform(point) for name, point in points.items()}
    taken = [(x - 3, x + 3, y) for x, y in on_paper.values()]
    for name in sorted(points, key=lambda name: (-points[name][1], points[name][0])):
        x, y = on_paper[name]
        width = _LETTER * len(name)
        places = (
            (start, y + sign * step * _LINE / 2)
            for step in range(100)
            for sign in (-1, 1)
            for start in (x + 6, x - 6 - width)
        )
        free = (
            (start, height)
            for start, height in places
            if box.x0 < start < box.x1 - width
            and box.y0 < height < box.y1
            and all(abs(height - h) >= _LINE or start >= e or start + width <= s for s, e, h in taken)
        )
        start, height = next(free, (x + 6, y))  # where a panel is full, names overlap rather than leave it
        taken.append((start, start + width, height))
        axes.annotate(
            name,
            (x, y),
            xytext=(start if start > x else x - 6, height),
            xycoords="figure pixels",
            textcoords="figure pixels",
            ha="left" if start > x else "right",
            va="center",
            fontsize=_SMALL,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": _RULE, "linewidth": 0.5} if abs(height - y) > _LINE / 2 else None,
        )


def _row_axes(figure: Figure, names: Sequence[str], axis: str) -> Axes:
    axes = figure.subplots()
    _frame(axes)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    axes.set_xlabel(axis)
    return axes


def _frame(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)


def _whisker(axes: Axes, row: int, found: Interval, colour: str) -> None:
    if math.isfinite(found.low):
        axes.plot([found.low, found.high], [row, row], color=colour, linewidth=1.4, solid_capstyle="round")


def _svg(draw: Callable[[Figure], None], height: float, label: str, *, width: float = _WIDTH) -> str:
    """The drawing as an ``svg`` element for a page: scalable, with ids of its own, and without any address."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), dpi=72, layout="constrained")  # a pixel is a point, as in SVG
        FigureCanvasSVG(figure)
        draw(figure)
        text = io.StringIO()
        unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # letters are drawn by who shows the page, in fonts of their own
            figure.savefig(text, format="svg", transparent=True, metadata=unsaid)
    return _for_a_page(text.getvalue(), label)


def _for_a_page(svg: str, label: str) -> str:
    head, body = svg[svg.index("<svg") :].split(">", 1)
    box = re.search(r'viewBox="([^"]*)"', head)
    assert box is not None
    body = re.sub(r"<!--.*?-->\s*|<defs>\s*<style.*?</style>\s*</defs>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"(?<=; )font-family: [^;]*; ", "", body)  # the page's own
    # A page may have an id once: groups need none, and what is referred to gets the drawing's own prefix.
    own = f"p{zlib.crc32((label + body).encode()):08x}-"

    def styled(tag: re.Match[str]) -> str:
        text = re.sub(r'^<g id="[^"]*"', "<g", tag[0]).replace("xlink:href", "href")
        text = re.sub(r'( id="|url\(#| href="#)', rf"\g<1>{own}", text)
        return re.sub("|".join(_STYLED), lambda colour: _STYLED[colour[0]], text)

    body = re.sub(r"<[^>]*>", styled, body)  # in tags alone: a name may say anything
    return f'<svg viewBox="{box[1]}" role="img" aria-label="{escape(label)}">{body}'
