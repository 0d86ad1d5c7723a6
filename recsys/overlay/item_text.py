"""The text of one item, as a rebuild makes it: what is embedded, and searched by its words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

SEPARATOR = " > "
# Shorter ids are ordinary numbers and words too often, as in a rebuild.
SHORTEST_BARE_ID = 4
_WORDS = re.compile(r"[^\W_]+")


def tidy(text: str) -> str:
    """``text`` on one line."""
    return " ".join(text.split())


def path_of(category: str) -> str:
    """A path of categories with its spaces and separators set right."""
    return SEPARATOR.join(level for part in category.split(">") if (level := tidy(part)))


@lru_cache(maxsize=65_536)
def item_text(item_id: str, values: Sequence[str]) -> str:
    """The text of the columns' ``values``, in order, "" unknown; "" when nothing is known.

    Levels of a path are parts of their own, a part that says no new word is left out, and so is the item's own id.
    """
    said: set[str] = set()
    kept = []
    for part in _parts(item_id, values):
        words = {word.lower() for word in _WORDS.findall(part)}
        if words - said:
            kept.append(part)
        said |= words
    return ". ".join(kept)


def _parts(item_id: str, values: Iterable[str]) -> Iterable[str]:
    for value in values:
        for part in re.sub(r"\s+", " ", value).split(SEPARATOR):
            yield " ".join(token for token in part.split() if not _is_id(token, item_id))


def _is_id(token: str, item_id: str) -> bool:
    return token.strip("()[]#,;") == item_id and ("#" in token or len(item_id) >= SHORTEST_BARE_ID)
