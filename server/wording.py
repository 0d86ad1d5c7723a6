"""Reasons as sentences of a language. The sentences are data: one TOML file a language in ``sentences``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from recsys.reasons import Reason

FOLDER = Path(__file__).with_name("sentences")
DEFAULT_LANGUAGE = "en"
OTHER = "other"
# Below so many days a time is told in days, below so many in weeks: a date is looked back at more closely than a habit.
DAYS_AGO, DAYS_EVERY, WEEKS = 28.0, 14.0, 70.0

# A string, or forms by number.
Text = str | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wording:
    """One language: sentences by code of reason · items, ago, every: parts of sentences · verbs: what people do, by
    event type.
    """

    language: str
    sentences: Mapping[str, Text]
    items: Mapping[str, str]
    ago: Mapping[str, Text]
    every: Mapping[str, Text]
    verbs: Mapping[str, Mapping[str, str]]

    @classmethod
    def read(cls, path: Path) -> Wording:
        """The language in ``path``, named by the file. ValueError on anything but its tables, of texts."""
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(path.stem, **values)

    def text(self, reason: Reason, titles: Sequence[str], target_types: Sequence[str]) -> str:
        """``reason`` as a sentence. titles: of its items · target_types: the event types that are predicted."""
        key = "FRESH_ANYWHERE" if reason.code == "FRESH" and not reason.place else reason.code
        template = self._form(self.sentences[key], reason.count)
        verb = target_types[0] if len(target_types) == 1 else OTHER
        filled = dict(self.verbs.get(verb, self.verbs[OTHER]))
        if titles:
            filled["items"] = self._joined(titles)
        if reason.count:
            filled["ago"] = self._ago(reason.days)
            filled["every"] = self._span(self.every, reason.gap_days, DAYS_EVERY)
        return template.format(**filled, place=reason.place, count=reason.count)

    def _joined(self, titles: Sequence[str]) -> str:
        named = [self.items["one"].format(title=title) for title in titles]
        return named[0] if len(named) == 1 else self.items["two"].format(first=named[0], second=named[1])

    def _ago(self, days: float) -> str:
        if days < 1:
            return self._form(self.ago["now"], 0)
        return self._span(self.ago, days, DAYS_AGO)

    def _span(self, forms: Mapping[str, Text], days: float, most_days: float) -> str:
        unit, length = ("days", 1.0) if days < most_days else ("weeks", 7.0) if days < WEEKS else ("months", 30.4)
        whole = max(round(days / length), 1)
        return self._form(forms[unit], whole).format(n=whole)

    @staticmethod
    def _form(text: Text, n: int) -> str:
        return text if isinstance(text, str) else text.get(str(n), text[OTHER])


@cache
def wordings() -> Mapping[str, Wording]:
    """All languages there are, by tag in lower case."""
    return {path.stem: Wording.read(path) for path in sorted(FOLDER.glob("*.toml"))}
