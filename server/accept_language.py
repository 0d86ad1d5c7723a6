"""Which of our languages a caller wants: HTTP's ``accept-language``, sent as metadata of the call."""

from __future__ import annotations

import re
from collections.abc import Collection

KEY = "accept-language"
# A language range and its weight: RFC 9110, sections 12.4.2 and 12.5.4.
_RANGE = re.compile(
    r"[ \t]*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)[ \t]*(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?"
)


def chosen(header: str, available: Collection[str], default: str) -> str:
    """The tag of ``available`` (lower case) that ``header`` prefers, ``default`` when it likes none of them.

    By Lookup of RFC 4647: the range with the highest weight comes first, of equal weights the one named first, and
    "zh-Hans-CN" also means "zh". ``*`` is the default. A weight of 0 rules a language out. What does not parse is
    passed over.
    """
    weights: dict[str, float] = {}
    for part in header.split(","):
        if found := _RANGE.fullmatch(part):
            weights.setdefault(found[1].lower(), float(found[2] or 1))
    refused = {tag for tag, weight in weights.items() if weight == 0}
    # The sort is stable.
    for wanted in sorted((tag for tag in weights if weights[tag]), key=lambda tag: -weights[tag]):
        tag = default if wanted == "*" else wanted
        while tag:
            if tag in available and tag not in refused:
                return tag
            tag = tag.rpartition("-")[0]
    return default
