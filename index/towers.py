"""Training of the two towers. The one module that knows torch; importing it takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from index.chances import weeks_back
from index.given import Given, TwoTowerSettings
from recsys.arrays import Float32, Float64, Int64, frozen
from recsys.two_tower import TwoTower

WARM_UP_STEPS = 20
BLOCK = 20_000
# Added to the logit of what may not count, far below any other.
NEVER = -1e4
# The first guess: a user takes what users took for the first time in the span before last, and what is like their own.
FIRST_SPAN = 1
FIRST_SCALE = 3.0


class UserTower(nn.Module):
    """What the user took and is -> a vector (b, d) and how much each span's chance counts for them (b, w)."""

    def __init__(self, given: Given, settings: TwoTowerSettings) -> None:
        super().__init__()
        n_fades, width = given.centres.shape
        n_seen, n_spans = n_fades * (given.inputs.shape[1] + 1) + 1, given.chances.shape[2]
        n_told = n_seen + settings.profile_width
        self.profile = nn.Embedding(given.n_bins + 1, settings.profile_width, padding_idx=given.n_bins)
        self.linear = nn.Linear(n_told, width + n_spans)
        self.hidden = nn.Linear(n_told, settings.hidden)
        self.top = nn.Linear(settings.hidden, width, bias=False)
        with torch.no_grad():
            self.profile.weight.mul_(0.1)
            self.linear.weight.zero_()
            self.linear.bias.zero_()
            self.linear.bias[width + FIRST_SPAN] = 1.0
            for fade in range(n_fades):
                start = fade * given.inputs.shape[1]
                self.linear.weight[:width, start : start + width] = torch.eye(width) * FIRST_SCALE / n_fades
            self.top.weight.mul_(0.3)

    def forward(self, seen: Tensor, bins: Tensor) -> Tensor:
        """(b, d + w) of ``seen`` (b, m) and ``bins`` (b, P)."""
        told = torch.cat([seen, self.profile(bins).sum(dim=1)], dim=1)
        out: Tensor = self.linear(told)
        top: Tensor = self.top(torch.relu(self.hidden(told)))
        return out + nn.functional.pad(top, (0, out.shape[1] - top.shape[1]))


class ItemTower(nn.Module):
    """Id, text and codes -> a unit vector (n, d)."""

    def __init__(self, given: Given, settings: TwoTowerSettings) -> None:
        super().__init__()
        self.width = given.centres.shape[1]
        self.codes = nn.Embedding(given.n_codes, self.width, padding_idx=0)
        n_text = given.inputs.shape[1] - self.width
        # Not a linear layer, which warns where a catalogue has no text.
        self.text = nn.Parameter(torch.randn(n_text, self.width) * (0.6 / max(n_text, 1) ** 0.5))
        self.text_bias = nn.Parameter(torch.zeros(self.width))
        self.hidden = nn.Linear(2 * self.width, settings.hidden)
        self.top = nn.Linear(settings.hidden, self.width)
        with torch.no_grad():
            self.codes.weight.mul_(0.3 / self.width**0.5)
            self.top.weight.mul_(0.1)
            self.top.bias.zero_()

    def forward(self, inputs: Tensor, codes: Tensor, known: Tensor) -> Tensor:
        """(n, d) of ``inputs`` (n, h) and ``codes`` (n, F); known (n, 1): 0 where the id is left out."""
        ids = inputs[:, : self.width] * known
        content: Tensor = self.codes(codes).sum(dim=1) + inputs[:, self.width :] @ self.text + self.text_bias
        out = ids + content + self.top(torch.relu(self.hidden(torch.cat([ids, content], dim=1))))
        return nn.functional.normalize(out, dim=1, eps=1e-6)


def train_towers(
    given: Given, settings: TwoTowerSettings, *, seed: int, advance: Callable[[int], None] = lambda n: None
) -> TwoTower:
    """Both towers trained by softmax over what was taken first; the same bytes for the same data and seed.

    Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019: of a large
    catalogue a batch sees its own labels and drawn negatives, each weighed by how seldom it is drawn. ``advance`` is
    told the number of moments done. Time: some 0.1 s a batch of 256 on one core, whatever the number of users and
    items. Memory: 12 bytes x batch x items offered, at most full_below or n_negatives + batch x most_taken.
    """
    with _one_thread_and_repeatable(seed):
        users, items = UserTower(given, settings), ItemTower(given, settings)
        rng = np.random.default_rng(seed)
        order = rng.choice(len(given.states), given.n_examples(settings), p=given.drawn)
        starts = range(0, len(order), settings.batch)
        optimiser = torch.optim.Adam([*users.parameters(), *items.parameters()], lr=settings.learning_rate)
        odds = _odds(given)
        for step, start in enumerate(starts):
            rate = min(1.0, (step + 1) / WARM_UP_STEPS) * (1.0 - step / len(starts))
            optimiser.param_groups[0]["lr"] = settings.learning_rate * rate
            chosen = order[start : start + settings.batch]
            loss = _loss(given, settings, users, items, chosen, odds, rng)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            advance(len(chosen))
        return _exported(given, users, items)


def _loss(
    given: Given,
    settings: TwoTowerSettings,
    users: UserTower,
    items: ItemTower,
    chosen: Int64,
    odds: tuple[Float64, Float64],
    rng: np.random.Generator,
) -> Tensor:
    """Mean over the moments ``chosen`` (b,) of -log softmax of what each took, among what each could take."""
    states = given.states
    row, taken = states.taken(chosen, settings.most_taken, rng)
    offered, correction = _offered(given.items, taken, odds, settings, rng)
    place = np.full(len(given.inputs), -1, np.int64)
    place[offered] = np.arange(len(offered))
    # Another moment's label weighs as it is drawn; a moment's own are always there.
    logits_shift = np.broadcast_to(correction, (len(chosen), len(offered))).copy()
    owner, owned = states.owned(chosen)
    there = place[owned] >= 0
    logits_shift[owner[there], place[owned[there]]] = NEVER
    logits_shift[row, place[taken]] = 0.0

    hidden = rng.random(len(chosen)) < settings.without_history
    seen = states.seen(chosen, given.inputs, given.centres, hidden=hidden, kept=settings.kept_history, rng=rng)
    bins = given.bins[states.users[chosen]].astype(np.int64)
    vectors: Tensor = users(torch.tensor(seen), torch.from_numpy(np.where(bins >= 0, bins, given.n_bins)))
    known = (rng.random((len(offered), 1)) >= settings.without_id).astype(np.float32)
    against: Tensor = items(
        torch.from_numpy(given.inputs[offered]), torch.from_numpy(given.codes[offered]), torch.from_numpy(known)
    )
    width = items.width
    weeks, week = np.unique(weeks_back(states.times[chosen], given.at), return_inverse=True)
    chances = torch.from_numpy(given.chances[weeks[:, None], offered])[torch.from_numpy(week)]
    logits = vectors[:, :width] @ against.T + torch.einsum("bnw,bw->bn", chances, vectors[:, width:])
    whole = torch.logsumexp(logits + torch.from_numpy(logits_shift), dim=1)
    rows = torch.from_numpy(row)
    losses = whole[rows] - logits[rows, torch.from_numpy(place[taken])]
    weights = torch.from_numpy((1.0 / np.bincount(row, minlength=len(chosen))[row]).astype(np.float32))
    return (losses * weights).sum() / weights.sum()


def _odds(given: Given) -> tuple[Float64, Float64]:
    """Of each of ``given.items``: the chance to be drawn, above even for the rare, and to be a label (n,)."""
    firsts = given.states.interactions.items[given.states.firsts]
    count = np.bincount(firsts, minlength=len(given.inputs))[given.items].astype(np.float64)
    drawn = (count + 0.2) ** 0.75
    return drawn / drawn.sum(), count / count.sum()


def _offered(
    items: Int64, taken: Int64, odds: tuple[Float64, Float64], settings: TwoTowerSettings, rng: np.random.Generator
) -> tuple[Int64, Float32]:
    """Items of a batch (n,) ascending, and -log of the chance that each is among them (n,)."""
    if len(items) <= settings.full_below:
        return items, np.zeros(len(items), np.float32)
    drawn, label = odds
    negatives = np.searchsorted(np.cumsum(drawn), rng.random(settings.n_negatives)).clip(max=len(items) - 1)
    offered = np.unique(np.concatenate([taken, items[negatives]]))
    place = np.searchsorted(items, offered)
    expected = settings.n_negatives * drawn[place] + len(taken) * label[place]
    return offered, (-np.log(-np.expm1(-expected))).astype(np.float32)


def _exported(given: Given, users: UserTower, items: ItemTower) -> TwoTower:
    vectors = []
    with torch.no_grad():
        for start in range(0, len(given.items), BLOCK):
            block = given.items[start : start + BLOCK]
            out = items(
                torch.from_numpy(given.inputs[block]), torch.from_numpy(given.codes[block]), torch.ones(len(block), 1)
            )
            vectors.append(np.concatenate([out.numpy(), given.chances[0, block]], axis=1))
    return TwoTower(
        vectors=frozen(np.concatenate(vectors), np.float32),
        items=frozen(given.items, np.int32),
        inputs=frozen(given.inputs, np.float32),
        centres=given.centres,
        bins=frozen(given.bins, np.int32),
        profile=_array(users.profile.weight[: given.n_bins]),
        linear=_array(users.linear.weight.T),
        bias=_array(users.linear.bias),
        hidden=_array(users.hidden.weight.T),
        hidden_bias=_array(users.hidden.bias),
        top=_array(users.top.weight.T),
    )


def _array(values: Tensor) -> Float32:
    return frozen(np.ascontiguousarray(values.detach().numpy()), np.float32)


@contextmanager
def _one_thread_and_repeatable(seed: int) -> Iterator[None]:
    n_threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.set_num_threads(n_threads)
            torch.use_deterministic_algorithms(strict)
