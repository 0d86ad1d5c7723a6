"""What a call's deadline leaves time for, by what each stage has cost lately.

Near the deadline an answer in the order of retrieval beats a failure: sources are skipped, then the ranking, and the
answer names what was. In a batch, requests for which not even that would be done in time get a status of their own.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from recsys.query import Recommendation
from server.costs import Costs
from server.questions import Question

# What a ranking costs beside its rows, in rows: with these added, one took 12 to 15 µs a row for 29 to 8,876 rows.
ROWS_BESIDE = 200
# The same of an answer and its results, whose tokens are sealed whatever is in it.
RESULTS_BESIDE = 10
# For what no stage can measure, to serialise the answer and to send it; and the share by which a timeout may be shorter
# than the one we are told, since gRPC rounds it up to two or three digits on the wire.
ON_THE_WAY_S = 0.005
ROUNDED_SHARE = 0.02
# A batch is answered in parts of this size, so that a caller who gave up is noticed and memory stays bounded.
BATCH_PART = 32
RETRIEVAL = "retrieval"


@dataclass(frozen=True, slots=True)
class Deadline:
    """An answer must be ready at ``at_s`` on the clock of ``costs``, which are those of this process."""

    at_s: float
    costs: Costs

    @classmethod
    def of(cls, left_s: float, costs: Costs) -> Deadline:
        """Of a caller who waits for ``left_s`` seconds more, as gRPC tells it."""
        return cls(costs.now_s() + (1.0 - ROUNDED_SHARE) * left_s - ON_THE_WAY_S, costs)

    @property
    def left_s(self) -> float:
        """Seconds until an answer must be ready to be sent; below 0 when that time has passed."""
        return self.at_s - self.costs.now_s()

    def next_part(self, questions: Sequence[Question]) -> int:
        """How many of ``questions`` to answer next: those that will at least be answered in retrieval order in time."""
        left_s = self.left_s
        if left_s <= 0:
            return 0
        if not self.costs.expected_s(RETRIEVAL):
            return 1  # to learn from, before a whole part is risked
        for position, question in enumerate(questions[:BATCH_PART]):
            left_s -= self._least_s(question)
            if left_s <= 0:
                return position
        return min(BATCH_PART, len(questions))

    def budget(self, questions: Sequence[Question], later: Sequence[Question] = ()) -> StageBudget:
        """For answering ``questions`` so that ``later`` can at least be answered in retrieval order."""
        after_s = sum(self._answer_s(question) for question in questions)
        return StageBudget(self, after_s, sum(self._least_s(question) for question in later))

    def learn(self, questions: Sequence[Question], recommendations: Sequence[Recommendation], seconds: float) -> None:
        """``questions`` have ``recommendations``, of which answers were made in ``seconds`` altogether."""
        for question, recommendation in zip(questions, recommendations, strict=True):
            stages = {stage.name: stage.seconds for stage in recommendation.stages}
            self.costs.learn(RETRIEVAL, stages["retrieve"])
            self.costs.learn(question.shape, stages["policies"] + seconds / len(questions), _n_units(question))

    def _least_s(self, question: Question) -> float:
        return self.costs.expected_s(RETRIEVAL) + self._answer_s(question)

    def _answer_s(self, question: Question) -> float:
        return self.costs.expected_s(question.shape, _n_units(question))


@dataclass(frozen=True, slots=True)
class StageBudget:
    """The ``recsys.budget.Budget`` of a run: its answers then take ``after_s``, and ``later_s`` are kept for others."""

    deadline: Deadline
    after_s: float
    later_s: float

    def allows_source(self, name: str) -> bool:
        """Whether the answers of this run can still be made after it."""
        return self.deadline.costs.expected_s(("source", name)) < self.deadline.left_s - self.after_s

    def source_took(self, name: str, seconds: float) -> None:
        """What the source cost now."""
        self.deadline.costs.learn(("source", name), seconds)

    def allows_ranking(self, rankers: Set[str], n_rows: int) -> bool:
        """Whether the answers of this run can still be made after it, and those that come later."""
        expected_s = self.deadline.costs.expected_s(frozenset(rankers), n_rows + ROWS_BESIDE)
        return expected_s < self.deadline.left_s - self.after_s - self.later_s

    def ranking_took(self, rankers: Set[str], n_rows: int, seconds: float) -> None:
        """What the ranking cost now."""
        self.deadline.costs.learn(frozenset(rankers), seconds, n_rows + ROWS_BESIDE)


def _n_units(question: Question) -> int:
    return question.resolved.query.limit + RESULTS_BESIDE
