"""Sections on a screen: tables for a person, aligned lines for a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from index.analysis.sections import Section

GAP = "  "


def show(console: Console, parts: Sequence[Section]) -> None:
    """Print ``parts``: tables when a person watches; elsewhere each row a line, unbroken, for grep and diff."""
    for part in parts:
        if console.is_terminal:
            console.print(table(_printable(part, console.encoding)))
        else:
            for line in (*lines(part), ""):
                say(console, line)


def say(console: Console, sentence: str) -> None:
    """Print a line as it is: its brackets are no markup, and only a person's screen breaks it."""
    console.print(_able(sentence, console.encoding), markup=False, highlight=False, soft_wrap=not console.is_terminal)


def _printable(part: Section, encoding: str) -> Section:
    rows = tuple(tuple(_able(cell, encoding) for cell in row) for row in part.rows)
    return replace(part, headings=tuple(_able(heading, encoding) for heading in part.headings), rows=rows)


def _able(text: str, encoding: str) -> str:
    """``text`` with a question mark for what the screen has no sign for: a Chinese column must not end the command."""
    return text.encode(encoding, "replace").decode(encoding)


def table(part: Section) -> Table:
    """The section with borders; without headings when they are all empty."""
    out = Table(title=escape(part.title), title_justify="left", show_header=any(part.headings))
    for position, heading in enumerate(part.headings):
        out.add_column(escape(heading), justify="left" if position < part.n_words else "right")
    for row in part.rows:
        out.add_row(*(escape(cell) for cell in row))
    return out


def lines(part: Section) -> list[str]:
    """The title and, indented, the headings and rows, their cells aligned by spaces."""
    rows = [part.headings, *part.rows] if any(part.headings) else list(part.rows)
    widths = [max(len(row[position]) for row in rows) for position in range(len(part.headings))]

    def aligned(row: Sequence[str]) -> str:
        cells = (
            cell.ljust(width) if position < part.n_words else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return (GAP + GAP.join(cells)).rstrip()

    return [part.title, *(aligned(row) for row in rows)]
