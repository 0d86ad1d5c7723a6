"""Several forests as one whose scores are the mean of theirs, so that whatever reads a forest reads it too."""

from __future__ import annotations

import re
from collections.abc import Sequence

from recsys.ranker import Forest

_TREE = re.compile(r"^Tree=\d+$", re.MULTILINE)
_END = "end of trees"
# What a row gets from a tree, and what rows got before its last splits. Other numbers do not depend on the scale.
_VALUES = re.compile(r"^(leaf_value|internal_value)=(.*)$", re.MULTILINE)
# Where each tree begins; optional, and wrong once there are others.
_SIZES = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)


def mean_forest(forests: Sequence[Forest]) -> Forest:
    """The forest of all trees of ``forests`` (one or more, over the same features), their leaves divided by how many.

    Forests grown in different ways err in different places, and the mean of their log-odds errs less than either
    (Breiman, "Bagging predictors", 1996). Its feature importances are those of the first.
    """
    if len(forests) == 1:
        return forests[0]
    heads, trees, tails = zip(*(_parts(forest.text) for forest in forests), strict=True)
    every = [_scaled(tree, len(forests)) for part in trees for tree in part]
    body = "".join(f"Tree={position}{tree}" for position, tree in enumerate(every))
    names = [f"f{position}" for position in range(forests[0].booster.num_feature())]
    merged = Forest.of_text(_SIZES.sub("", heads[0]) + body + tails[0], names)
    return Forest(merged.booster, n_threads=forests[0].n_threads)


def _parts(text: str) -> tuple[str, list[str], str]:
    """What comes before the trees of LightGBM's text format, each tree behind its number, and what comes after."""
    before, end, after = text.partition(_END)
    head, *trees = _TREE.split(before)
    return head, trees, end + after


def _scaled(tree: str, divisor: int) -> str:
    def divided(found: re.Match[str]) -> str:
        return f"{found[1]}={' '.join(repr(float(value) / divisor) for value in found[2].split())}"

    return _VALUES.sub(divided, tree)
