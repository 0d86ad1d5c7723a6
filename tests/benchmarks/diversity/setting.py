"""A setting: the weights of diversity and of spread, and what is measured under them."""

from __future__ import annotations

Row = dict[str, float]
Setting = tuple[float, float]  # diversity, spread


def named(setting: Setting) -> Row:
    return {"diversity": setting[0], "spread": setting[1]}
