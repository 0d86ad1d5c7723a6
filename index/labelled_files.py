"""A window's rows as files, arrays as they are and the rest as JSON. No pickle on either side."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from index.frames import Frame
from index.labelled import Labelled
from index.windows import Window
from recsys.evaluation.truth import Truth
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

_FACTS = "labelled.json"
_COLUMNS = ("features", "labels", "new", "query", "items")


def write_labelled(out: SnapshotWriter, labelled: Labelled) -> None:
    """Store everything of ``labelled``."""
    _write_frame(out, "frame", labelled.frame)
    if labelled.acted is not None:
        _write_frame(out, "acted", labelled.acted)
    _write_truth(out, "asked", labelled.asked)
    for task, truth in labelled.truths.items():
        _write_truth(out, f"truth.{task}", truth)
    for task, by_name in labelled.plain.items():
        for name, lists in by_name.items():
            out.array(f"plain.{task}.{name}", lists)
    facts: dict[str, Any] = {
        "window": [labelled.window.start, labelled.window.end],
        "whole": labelled.whole,
        "kept": labelled.frame.kept,
        "acted": None if labelled.acted is None else labelled.acted.kept,
        "names": list(labelled.names),
        "truths": list(labelled.truths),
        "plain": [[task, list(by_name)] for task, by_name in labelled.plain.items()],
    }
    out.json(_FACTS, facts)


def read_labelled(src: SnapshotReader) -> Labelled:
    """What ``write_labelled`` stored, bit for bit, arrays memory-mapped and read-only."""
    facts = src.json(_FACTS)
    return Labelled(
        window=Window(*facts["window"]),
        asked=_read_truth(src, "asked"),
        truths={task: _read_truth(src, f"truth.{task}") for task in facts["truths"]},
        frame=_read_frame(src, "frame", facts["kept"]),
        whole=bool(facts["whole"]),
        plain={task: {name: src.array(f"plain.{task}.{name}") for name in names} for task, names in facts["plain"]},
        names=tuple(facts["names"]),
        acted=None if facts["acted"] is None else _read_frame(src, "acted", facts["acted"]),
    )


def _write_frame(out: SnapshotWriter, name: str, frame: Frame) -> None:
    for column in _COLUMNS:
        out.array(f"{name}.{column}", getattr(frame, column))


def _read_frame(src: SnapshotReader, name: str, kept: float) -> Frame:
    return Frame(**{column: src.array(f"{name}.{column}") for column in _COLUMNS}, kept=float(kept))


def _write_truth(out: SnapshotWriter, name: str, truth: Truth) -> None:
    for field in fields(Truth):
        out.array(f"{name}.{field.name}", getattr(truth, field.name))


def _read_truth(src: SnapshotReader, name: str) -> Truth:
    return Truth(**{field.name: src.array(f"{name}.{field.name}") for field in fields(Truth)})
