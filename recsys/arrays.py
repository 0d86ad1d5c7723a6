"""Array types used everywhere, and the one way to freeze an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


def frozen(values: Any, dtype: DTypeLike) -> NDArray[Any]:
    """``values`` as a read-only array of ``dtype``; copies only when the type differs or the input is writeable.

    A writeable input is viewed, not copied: the caller's own handle stays writeable, the one returned does not.
    """
    array = np.asarray(values, dtype=dtype)
    view = array.view()
    view.setflags(write=False)
    return view
