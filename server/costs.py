"""What each stage of an answer has cost lately, measured in the calls of this process."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import monotonic

# The cost that some nine of ten measurements stay below.
QUANTILE = 0.9
# A measurement above the estimate raises it by 25 %, one below lowers it by 2.5 %: a single stall hardly moves it.
STEP = 0.25
# The first measurements of a process are cold, sometimes a hundred times too high: among so many, one below it
# halves the estimate at most. By steps of 2.5 %, after a first retrieval of 2 s, 58 lists of an export came unranked.
COLD, COLD_STEP = 10, 0.5
# What is not measured any more, since there was never time for it, is thought to have become cheaper, and tried again.
HALF_LIFE_S = 60.0


@dataclass(frozen=True, slots=True)
class _Estimate:
    seconds: float
    measured_at_s: float
    n_measured: int


class Costs:
    """Decayed quantiles of seconds a unit, by stage; ``now_s`` is a monotonic clock.

    The quantile is tracked by stochastic approximation in the logarithm (Robbins, Monro, 1951), which keeps nothing of
    the measurements. Threads share it without a lock: a measurement that is lost among others does no harm.
    """

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        self.now_s = now_s
        self._estimates: dict[Hashable, _Estimate] = {}

    def learn(self, stage: Hashable, seconds: float, n_units: float = 1.0) -> None:
        """``n_units`` of ``stage`` were done in ``seconds``."""
        measured = seconds / n_units
        known, faded = self._estimates.get(stage), self.expected_s(stage)
        # Never beyond the measurement itself, so that equal measurements are met exactly.
        if known is not None and measured < faded:
            least = COLD_STEP if known.n_measured < COLD else math.exp(STEP * (QUANTILE - 1.0))
            measured = max(measured, faded * least)
        elif known is not None:
            # From where it was before it faded: after a quiet night it need not climb again.
            measured = min(measured, known.seconds * math.exp(STEP * QUANTILE))
        self._estimates[stage] = _Estimate(measured, self.now_s(), 1 if known is None else known.n_measured + 1)

    def expected_s(self, stage: Hashable, n_units: float = 1.0) -> float:
        """Seconds that ``n_units`` of ``stage`` will hardly exceed; 0 where nothing has been measured."""
        known = self._estimates.get(stage)
        if known is None:
            return 0.0
        age_s = self.now_s() - known.measured_at_s
        faded: float = known.seconds * 0.5 ** (age_s / HALF_LIFE_S)
        return n_units * faded
