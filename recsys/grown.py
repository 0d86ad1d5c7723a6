"""Tables that grew: the rows there were, wherever they lie, and a few behind them. Nothing large is copied."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray


class Grown:
    """Rows of ``base`` (n, …) and, numbered on from there, of ``more`` (m, …), which is small.

    Read like an array, in the ways in which items are looked up: ``[row]``, ``[rows]`` with whole numbers of any shape,
    negative ones from the end; ``[start:stop]``; ``[:, column]``, which is grown again. Whole-array arithmetic is not
    for it: it would copy what is memory-mapped.
    """

    __slots__ = ("base", "more")

    def __init__(self, base: NDArray[Any], more: NDArray[Any]) -> None:
        if base.shape[1:] != more.shape[1:]:
            raise ValueError(f"rows of {more.shape[1:]} cannot stand behind rows of {base.shape[1:]}")
        self.base = base
        self.more = more

    @property
    def shape(self) -> tuple[int, ...]:
        """(n + m, …)."""
        return (len(self), *self.base.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of ``base``."""
        return self.base.dtype

    def __len__(self) -> int:
        return len(self.base) + len(self.more)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            rows, column = key
            if rows != slice(None):
                raise TypeError("of a grown table whole columns are read, or whole rows")
            return Grown(self.base[:, column], self.more[:, column])
        if isinstance(key, slice):
            return self._between(*key.indices(len(self)))
        n = len(self.base)
        if isinstance(key, int | np.integer):
            row = int(key) + len(self) * (key < 0)
            return self.base[row] if row < n else self.more[row - n]
        rows = np.asarray(key)
        if rows.dtype.kind not in "iu":
            raise TypeError(f"a grown table is read by row numbers, got {rows.dtype}")
        if rows.size and rows.min() < 0:
            rows = np.where(rows < 0, rows + len(self), rows)
        late = rows >= n
        if not late.any():
            return self.base[rows]
        found = self.base[np.where(late, 0, rows)] if n else np.empty((*rows.shape, *self.shape[1:]), self.dtype)
        found[late] = self.more[rows[late] - n]
        return found

    def max(self, initial: float) -> Any:
        """The largest number, ``initial`` at least."""
        return max(self.base.max(initial=initial), self.more.max(initial=initial))

    def __array__(self, *_: Any, **__: Any) -> NDArray[Any]:
        raise TypeError("a grown table is read by rows: as an array it would be a copy")

    def _between(self, start: int, stop: int, step: int) -> NDArray[Any]:
        n = len(self.base)
        if step != 1:
            raise TypeError("of a grown table rows are read one after the other")
        if stop <= n:
            early: NDArray[Any] = self.base[start:stop]
            return early
        part: NDArray[Any] = np.concatenate([self.base[start:], self.more[max(start - n, 0) : stop - n]])
        return part


def grown(base: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    """``base`` with the rows of ``more`` behind it, to be read as ``Grown`` can; ``base`` itself without any."""
    # Fields that hold tables are typed as arrays, and what reads them by item looks up rows: that is all it can do.
    return cast("NDArray[Any]", Grown(base, more)) if len(more) else base


def with_rows(base: NDArray[Any], more: NDArray[Any], rows: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """``base`` with ``more`` behind it, and ``values`` (c, …) in place of what its ``rows`` (c,) were.

    A copy where there are such rows: for columns of a few bytes an item only.
    """
    if not len(rows):
        return grown(base, more)
    changed: NDArray[Any] = np.concatenate([base, more])
    changed[rows] = values
    changed.setflags(write=False)
    return changed
