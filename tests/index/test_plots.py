"""Drawings as parts of a page: well formed, self-contained, theirs alone, and true to the figures."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from index.plots import bars, forest, tradeoffs
from recsys.evaluation.bootstrap import Interval

HOSTILE = "<b onload='x'>&\"$x_1$ 龙井 --> url(#a #010203"
MEANS = {
    "popular": Interval(0.1, 0.08, 0.12, 50),
    "pipeline": Interval(0.4, 0.35, 0.45, 50),
    HOSTILE: Interval(0.2, math.nan, math.nan, 1),
}
FIGURES = {name: {"ndcg@10": found.mean, "coverage@10": 0.3, "gini@10": math.nan} for name, found in MEANS.items()}
DRAWINGS = {
    "bars": bars(MEANS, highlight="pipeline", axis="ndcg@10", label="bars & 'more'"),
    "forest": forest(MEANS, axis="lead", label='forest "of" <points>'),
    "tradeoffs": tradeoffs(
        FIGURES, metrics=["coverage@10", "gini@10", "lost@10"], against="ndcg@10", highlight="pipeline", label="points"
    ),
}


def texts(svg: str) -> list[str]:
    return [str(element.text) for element in ElementTree.fromstring(svg).iter("text")]


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_well_formed_and_names_everybody(name: str) -> None:
    said = texts(DRAWINGS[name])
    assert {"popular", "pipeline"} < set(said)
    # Nothing in a name is markup or mathematics.
    assert HOSTILE in said
    assert "onload='x'" not in ElementTree.tostring(ElementTree.fromstring(DRAWINGS[name]), "unicode").split(">")[0]


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_scales_follows_the_pages_colours_and_says_what_it_is(name: str) -> None:
    svg = DRAWINGS[name]
    head = svg.split(">")[0]
    assert "viewBox=" in head
    assert 'role="img"' in head
    assert "aria-label=" in head
    assert not re.search(r"\b(width|height)=", head)
    assert "currentColor" in svg
    assert "var(--accent, #" in svg
    assert "#0102" not in svg.replace("url(#a #010203", "")
    assert "<style" not in svg
    assert "font-family" not in svg


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_reaches_for_nothing_outside_itself(name: str) -> None:
    svg = DRAWINGS[name]
    assert "http" not in svg
    assert "<image" not in svg
    ids = re.findall(r'\bid="([^"]*)"', svg)
    wanted = re.findall(r'(?:href="#|clip-path="url\(#)([^")]*)', svg)
    assert wanted
    assert set(wanted) <= set(ids)
    assert len(ids) == len(set(ids))


def test_two_drawings_share_no_id() -> None:
    ids = [set(re.findall(r'\bid="([^"]*)"', svg)) for svg in DRAWINGS.values()]
    ids.append(set(re.findall(r'\bid="([^"]*)"', bars(MEANS, highlight="", axis="ndcg@10", label="the same again"))))
    assert len(set.union(*ids)) == sum(map(len, ids))


def test_drawing_again_gives_the_same_bytes() -> None:
    assert bars(MEANS, highlight="pipeline", axis="ndcg@10", label="bars & 'more'") == DRAWINGS["bars"]


def test_the_best_is_on_top() -> None:
    heights = {
        str(element.text): float(element.attrib["y"])
        for element in ElementTree.fromstring(DRAWINGS["bars"]).iter("text")
        if element.text in MEANS
    }
    assert heights["pipeline"] < heights[HOSTILE] < heights["popular"]


def test_a_metric_that_nobody_has_leaves_an_empty_panel() -> None:
    # One panel with three names, two without.
    assert [text in MEANS for text in texts(DRAWINGS["tradeoffs"])].count(True) == len(MEANS)


def test_names_of_points_that_coincide_do_not() -> None:
    figures = {f"name {n:02d}": {"ndcg@10": 0.3, "coverage@10": 0.1} for n in range(8)}
    svg = tradeoffs(figures, metrics=["coverage@10"], against="ndcg@10", highlight="", label="points")
    names = [text for text in ElementTree.fromstring(svg).iter("text") if str(text.text).startswith("name")]
    assert len(names) == 8
    for side in ("start", "end"):
        heights = sorted(float(name.attrib["y"]) for name in names if f"text-anchor: {side}" in name.attrib["style"])
        assert min(b - a for a, b in pairwise(heights)) > 8


def test_matplotlib_is_not_loaded_until_something_is_drawn() -> None:
    script = "import sys, index.page, index.evaluate_command; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
