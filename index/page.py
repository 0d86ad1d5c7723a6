"""An evaluation as one page of HTML that needs nothing else: no script, no address, readable by day and by night."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from index.comparisons import Lead, cell, scope, sentences, spelled
from index.figures import COMPARED, PIPELINE, WITHOUT, Evaluation, Intervals
from index.page_style import STYLE
from index.plots import bars, forest, tradeoffs

_BEYOND = ("coverage@10", "hits_coverage@10", "gini@10", "diversity@10")
_TASKS = {
    "all": "What users took next, repeats included (serving config home).",
    "novel": "What users took next and never had before (serving config discover).",
}
_FACTS = {
    "split_at": "split",
    "ends_at": "end of what is predicted",
    "horizon_days": "days predicted",
    "target_types": "what is predicted",
    "n_events": "events before the split",
    "n_users_with_events": "users with an event before the split",
    "n_items": "items before the split, catalogue included",
    "n_items_with_events": "items with an event before the split (what coverage is a share of)",
    "n_users": "users scored",
    "n_pairs": "user–item pairs to find",
    "n_pairs_of_unseen_items": "of these, pairs of items without any event before the split",
    "n_new_users": "users known by their profile alone",
    "n_unknown_users": "users of whom nothing was known, not scored",
}


def page(evaluation: Evaluation, title: str) -> str:
    """The whole page; every name and sentence in it is escaped."""
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(scope(evaluation))}. What is scored was fitted on what happened before.</p>",
        "".join(f"<p class='lead'>{escape(sentence)}</p>" for sentence in sentences(evaluation)),
        f"<p>{escape(_how_to_read(evaluation))}</p>",
        *(_task(evaluation, task) for task in evaluation.tasks),
        "<h2>Slices</h2>",
        *(_slices(evaluation, task) for task, found in evaluation.slices.items() if found),
        _definitions(evaluation.facts["slice_definitions"]),
        "<h2>The cut</h2>",
        *(_facts(window) for window in evaluation.facts["windows"]),
    ]
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<meta name='color-scheme' content='light dark'>\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        "</head>\n<body>\n<main>\n" + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"
    )


def _how_to_read(evaluation: Evaluation) -> str:
    drawn = evaluation.facts["bootstrap"]
    return (
        f"Intervals hold {drawn['level']:.0%} of {drawn['n_resamples']:,} resamples of the users. Differences are "
        "taken user by user, so their intervals are narrower than two means suggest. Where one holds 0, the lists "
        "are level as far as these users can tell. Lists named fusion have no policies: what they have ahead of the "
        "pipeline is what the variety of its lists costs."
    )


def _task(evaluation: Evaluation, task: str) -> str:
    figures, means = evaluation.tasks[task], evaluation.intervals[task]
    n_users = f"{evaluation.facts['n_users'][task]:,} users"
    metrics = list(next(iter(figures.values())))
    table = _table(
        f"Task {task}: every list, {n_users}",
        ["list", *metrics, f"{COMPARED} interval"],
        [[name, *(cell(found[m]) for m in metrics), _bounds(means, name)] for name, found in figures.items()],
        marked=PIPELINE,
    )
    pictures = [
        _figure(
            bars(
                means,
                highlight=PIPELINE,
                axis=COMPARED,
                label=f"{COMPARED} of every list on task {task}, with intervals; the table holds the figures",
            ),
            f"{COMPARED} of every list, with its interval",
        )
    ]
    if evaluation.differences[task]:
        pictures.append(
            _figure(
                forest(
                    evaluation.differences[task],
                    axis=f"{COMPARED} of the pipeline minus that of the list",
                    label=f"Lead of the pipeline over every other list on task {task}; the table holds the figures",
                ),
                "Lead of the pipeline over every other list; grey where the interval holds 0",
            )
        )
    # Lists that are empty for everybody have a Gini of 0 and no other merit: they would only stretch the axes.
    # Ablated lists lie on each other and have a table.
    shown = {
        name: found
        for name, found in figures.items()
        if (found["coverage@10"] > 0 or found[COMPARED] > 0) and not name.startswith(WITHOUT)
    }
    points = _figure(
        tradeoffs(
            shown,
            metrics=[metric for metric in _BEYOND if any(math.isfinite(f[metric]) for f in shown.values())],
            against=COMPARED,
            highlight=PIPELINE,
            label=f"{COMPARED} against coverage, hits, exposure and diversity on task {task}; figures in the table",
        ),
        "Accuracy against what else a list is: more is better, but of gini@10, where more is more of the same",
        broad=True,
    )
    rows = [[name, spelled(found, signed=True)] for name, found in evaluation.differences[task].items()]
    differences = _table(f"Task {task}: {COMPARED} of the pipeline minus", ["list", "mean and interval"], rows)
    lost = [[name, spelled(found, signed=True)] for name, found in evaluation.ablations[task].items()]
    ablated = _table(
        f"Task {task}: {COMPARED} that the ranker's own order, before any policy, loses without",
        ["left out", "mean and interval"],
        lost,
    )
    return "\n".join(
        [
            f"<h2>Task {escape(task)}</h2>",
            f"<p>{escape(_TASKS.get(task, ''))}</p>",
            f"<div class='pictures'>{''.join(pictures)}</div>",
            points,
            table,
            differences if rows else "",
            ablated if lost else "",
        ]
    )


def _slices(evaluation: Evaluation, task: str) -> str:
    names = list(evaluation.tasks[task])
    rows = []
    for part, means in evaluation.slice_intervals[task].items():
        lead = Lead.of(means, evaluation.slice_differences[task][part])
        rows.append(
            [
                part,
                f"{means[PIPELINE].n_users:,}",
                *(cell(means[name].mean) if name in means else "–" for name in names),
                f"{lead.verdict} {lead.best}: {spelled(lead.difference, signed=True)}" if lead else "",
            ]
        )
    compared = _table(
        f"Task {task}: {COMPARED} of every list by slice", ["slice", "users", *names, "pipeline against the best"], rows
    )
    metrics = [m for m in ("recall@100", "hit@10") if m in next(iter(evaluation.tasks[task].values()))]
    others = [
        _table(
            f"Task {task}: {metric} of every list by slice",
            ["slice", *names],
            [
                [part, *(cell(figures[name][metric]) if name in figures else "–" for name in names)]
                for part, figures in evaluation.slices[task].items()
            ],
        )
        for metric in metrics
    ]
    summary = f"<summary>Task {escape(task)}: recall and hits by slice</summary>"
    return f"{compared}\n<details>{summary}{''.join(others)}</details>"


def _definitions(about: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(sentence)}</dd>" for name, sentence in about.items())
    return f"<dl>{rows}</dl>"


def _facts(window: Mapping[str, Any]) -> str:
    rows = [[said, _fact(window[name])] for name, said in _FACTS.items() if name in window]
    return _table(f"The cut at {window['split_at']}", ["fact", "value"], rows)


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_fact(inner)}" for name, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _bounds(means: Intervals, name: str) -> str:
    found = means[name]
    return f"{cell(found.low)} to {cell(found.high)}" if math.isfinite(found.low) else "–"


def _figure(svg: str, caption: str, *, broad: bool = False) -> str:
    return f"<figure{' class=broad' if broad else ''}>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, marked: str = "") -> str:
    """Cells are text and are escaped here; the first of a row names it. ``marked``: the row that stands out."""
    head = "".join(f"<th scope='col'>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        f"<tr{' class=marked' if first == marked else ''}><th scope='row'>{escape(first)}</th>"
        + "".join(f"<td>{escape(text)}</td>" for text in others)
        + "</tr>"
        for first, *others in rows
    )
    return (
        f"<div class='wide' role='region' tabindex='0' aria-label='{escape(caption)}'><table><caption>{escape(caption)}"
        f"</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
