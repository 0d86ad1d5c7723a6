"""What a caller's deadline leaves for the stages of an answer: the pipeline asks, whoever has the clock decides."""

from __future__ import annotations

from collections.abc import Set
from typing import Protocol


class Budget(Protocol):
    """Time for one run of the pipeline, over one query or several."""

    def allows_source(self, name: str) -> bool:
        """Whether source ``name`` may be asked for one query more."""

    def source_took(self, name: str, seconds: float) -> None:
        """Source ``name`` was asked for one query, or failed, in ``seconds``."""

    def allows_ranking(self, rankers: Set[str], n_rows: int) -> bool:
        """Whether ``n_rows`` candidates may be given features and be scored by ``rankers``."""

    def ranking_took(self, rankers: Set[str], n_rows: int, seconds: float) -> None:
        """They were, in ``seconds`` altogether."""
