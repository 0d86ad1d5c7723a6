"""What rankers learn from and are judged by: the rows of one window, and what of them is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from index.frames import Frame
from index.windows import Window
from recsys.arrays import Int32
from recsys.evaluation.truth import Truth


class Extent(NamedTuple):
    """What is wanted of a window's rows. whole: all negatives, to make lists of · n_acted: of so many actors."""

    whole: bool
    n_acted: int = 0


@dataclass(frozen=True, slots=True)
class Labelled:
    """One window: what its users did (truths by task, of the same users or fewer), and the rows to learn from.

    asked: the users whose queries the frame numbers · whole: all negatives are there, so lists can be made of it ·
    plain: task -> source -> (Q, 100) its own lists for the users of the truth, which contenders are held against ·
    names: of the frame's columns · acted: rows of people who did anything in the window, labelled by all they did,
    where that is learnt from.
    """

    window: Window
    asked: Truth
    truths: Mapping[str, Truth]
    frame: Frame
    whole: bool
    plain: Mapping[str, Mapping[str, Int32]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    acted: Frame | None = None
