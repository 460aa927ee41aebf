"""One request's numbers straight into a session's memory, with no arrays made of them.

To make an array of a request's bytes, another of the model's datatype and a third of the outputs is
little work, but in a request that comes alone all of it is in memory which the processor's caches
have lost since the last one: a third of what such a request takes besides the model.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.backends.base import Bound
from services.serving.batching import Outputs
from services.serving.v2_plans import RAISING, Buffer


class Direct:
    """For requests of one input and one shape, from one thread only."""

    def __init__(self, bound: Bound, given: np.dtype[Any]) -> None:
        """`given`: of the requests' numbers; not always what the model takes."""
        self._bound = bound
        self._narrow: partial[None] | None = None
        taken: NDArray[Any] = bound.inputs
        if given != taken.dtype:
            taken = np.empty(taken.shape, given)
            self._narrow = partial(bound.inputs.__setitem__, ..., taken)
            self._raising = RAISING.copy()
        self._memory = taken.reshape(-1).view(np.uint8).data

    def run(self, values: Buffer) -> Outputs:
        """The outputs, which the next run writes over.

        Raises `FloatingPointError` for numbers that the model's datatype cannot hold, and whatever
        the model fails with.
        """
        self._memory[:] = values
        if self._narrow is not None:
            self._raising.run(self._narrow)
        self._bound.compute()
        return self._bound.outputs
