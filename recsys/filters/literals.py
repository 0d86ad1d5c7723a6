"""What words and quoted strings of a filter mean: escapes, wildcards, dotted names."""

from __future__ import annotations

import re

from recsys.errors import FilterError
from recsys.filters.expressions import Value

_PIECE = re.compile(r"\\(.)|(\*)|[^\\*]+", re.DOTALL)
_PART = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^.]+""", re.DOTALL)
_ESCAPED = "\"'\\*"
_QUOTES = "\"'"
LONGEST_QUOTE = 40


def shown(text: str) -> str:
    """``text`` in quotes for a message, shortened when it is long."""
    return f'"{text}"' if len(text) <= LONGEST_QUOTE else f'"{text[:LONGEST_QUOTE]}…"'


def value_of(token: str, position: int) -> Value:
    """The value of a word or quoted string that starts at ``position``.

    FilterError on an unknown escape, and on a ``*`` that is neither the first nor the last character.
    """
    quoted = token[0] in _QUOTES
    body, start = (token[1:-1], position + 1) if quoted else (token, position)
    text: list[str] = []
    any_before = any_after = False
    for piece in _PIECE.finditer(body):
        escaped, star = piece.groups()
        if star:
            if 0 < piece.start() < len(body) - 1:
                raise FilterError("a * stands for anything only at the start or the end", start + piece.start())
            any_before |= piece.start() == 0
            any_after |= piece.end() == len(body)
        elif escaped is None:
            text.append(piece.group())
        elif escaped in _ESCAPED:
            text.append(escaped)
        else:
            problem = f"unknown escape {shown(piece.group())}"
            raise FilterError(problem, start + piece.start(), hint="known are \\\" \\' \\\\ \\*")
    return Value("".join(text), position, any_before=any_before, any_after=any_after, quoted=quoted)


def name_of(token: str, position: int) -> str:
    """The name of a field, its dotted parts unquoted: ``attributes."shelf life"`` is ``attributes.shelf life``."""
    parts = [(part.group(), position + part.start()) for part in _PART.finditer(token)]
    return ".".join(value_of(part, at).text if part[0] in _QUOTES else part for part, at in parts)


def word_of(token: str, position: int) -> Value:
    """The value of a word that stands alone; one of several quoted parts counts as the name it spells."""
    parts = _PART.findall(token)
    if len(parts) > 1 and any(part[0] in _QUOTES for part in parts):
        return Value(name_of(token, position), position)
    return value_of(token, position)
