"""Whether rankers learn better when rows count by what was shown: judged by windows, like everything that is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace

from index.convincing import convinces
from index.learn import Learnt
from index.selection import CONVINCING, Chosen, Grown, choose

# What a look without a take adds to a row's weight. Both are judged; the default is 0, to count all rows alike.
STRENGTHS = (1.0, 4.0)
WITHOUT = " without feedback"


@dataclass(frozen=True, slots=True)
class Heeded:
    """strength: 0 where what was shown is not heeded · said: what was found, as the end of a sentence."""

    chosen: Chosen
    strength: float
    said: str


def heeded(one: Chosen, learnt: Learnt, n_items: int, *, seed: int, grown: dict[float, Grown]) -> Heeded:
    """``one`` with its forest grown on rows weighted by what was shown, where that is convincingly better than not.

    The contender stays, its NDCG@10 is paired by user over the same judged windows. ``grown``: forests by strength that
    heads of the same rows share.
    """
    if one.contender.recipe is None or one.contender.by_all:
        return Heeded(one, 0.0, f"feedback not used: {one.contender.label} learns from no weighted rows")
    label = one.contender.label
    if not one.n_users:
        return Heeded(one, 0.0, "feedback not used: there is nothing to judge it by")
    if not _teaches(learnt):
        return Heeded(one, 0.0, "feedback not used yet: nothing was shown before a window that rankers are judged by")
    plain = one.scores[label]["ndcg@10"]
    found: list[tuple[float, float, Chosen]] = []
    for strength in STRENGTHS:
        again = choose(
            one.head,
            learnt.heeding(strength),
            learnt.names,
            n_items,
            seed=seed,
            only=one.contender,
            grown=grown.setdefault(strength, {}),
        )
        found.append((float(again.scores[label]["ndcg@10"].mean()), strength, again))
    ndcg, strength, best = max(found, key=lambda tried: tried[0])
    compared = f"NDCG@10 {ndcg:.4f} with it, {plain.mean():.4f} without"
    if not convinces(best.scores[label]["ndcg@10"] - plain, CONVINCING):
        return Heeded(one, 0.0, f"feedback not used: {compared}")
    said = f"feedback used, a look counts {strength:g}: {compared}"
    scores = {**one.scores, label: best.scores[label], label + WITHOUT: one.scores[label]}
    return Heeded(replace(best, scores=scores, why=one.why), strength, said)


def _teaches(learnt: Learnt) -> bool:
    """Whether something was shown in a window that ended before a judged one."""
    first = [window.window.end for window in learnt.windows if window.frame.weights is not None]
    return bool(first) and any(one.whole and one.window.start >= min(first) for one in learnt.windows)
