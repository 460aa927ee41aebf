"""A few rows through an ONNX Runtime session, by memory that it was told of once.

What a session's ordinary `run` does around the model, finding its inputs in a dictionary and making
arrays of its outputs, is 4 to 8 µs of the 12 to 45 that one row of a small network takes. To copy a
few rows into memory that is bound to the session takes a fraction of that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from models.backends.base import closed
from models.signature import BYTES, Signature

MAX_BYTES = 32_768
"""Of inputs, or of outputs, that are copied: from twice as many on, that takes what it saves."""
MAX_SHAPES = 64
"""Inputs of the first so many shapes are bound; others go the ordinary way."""

DEVICE = ("cpu", 0)

Outputs = dict[str, NDArray[Any]]
Shape = tuple[int, ...]


class Bound:
    """A session with memory for inputs and outputs of one shape. For one thread at a time."""

    def __init__(self, session: Any, inputs: NDArray[Any], outputs: Outputs) -> None:
        """`inputs`: of the only input, and `outputs`: what the session has made of them; both are
        kept for their shapes and datatypes alone."""
        self.inputs = np.empty_like(inputs, order="C")
        self.outputs = {name: np.empty_like(array) for name, array in outputs.items()}
        binding = session.io_binding()
        _place(binding.bind_input, session.get_inputs()[0].name, self.inputs)
        for name, array in self.outputs.items():
            _place(binding.bind_output, name, array)
        self.compute: Callable[[], Any] = _run_of(session, binding)

    def run(self, inputs: NDArray[Any]) -> Outputs:
        """Raises `TypeError` for another datatype."""
        np.copyto(self.inputs, inputs, "no")
        self.compute()
        return {name: array.copy() for name, array in self.outputs.items()}


class BoundShapes:
    """What a session has bound, by the shape of its input."""

    def __init__(self, session: Any, signature: Signature) -> None:
        self._session = session
        self._fit = _fit(signature)
        self._seen: set[Shape] = set()
        self._free: dict[Shape, Bound] = {}
        """Who runs one takes it out meanwhile, and so has it for himself."""
        self._apart: WeakSet[Bound] = WeakSet()
        """What others run by themselves."""

    def run(self, inputs: NDArray[Any]) -> Outputs | None:
        """None where the shape is not bound, or at work for another thread, or has failed: then the
        ordinary way answers, or says why not."""
        bound = self._free.pop(inputs.shape, None)
        if bound is None:
            return None
        try:
            outputs = bound.run(inputs)
        except (
            Exception
        ):  # rows that the model fails on, or a shape of outputs that was not for good
            self._seen.discard(inputs.shape)  # until it has answered such rows the ordinary way
            return None
        self._free[inputs.shape] = bound
        return outputs

    def apart(self, shape: Shape) -> Bound | None:
        """Other memory for a shape that is bound; its `compute` is good until `close`."""
        like = self._free.get(shape)
        if like is None:
            return None
        made = Bound(self._session, like.inputs, like.outputs)
        self._apart.add(made)
        return made

    def learn(self, inputs: NDArray[Any], outputs: Outputs) -> None:
        """Bind the shape of `inputs`, of which the session made `outputs`, if it is worth it."""
        if not self._fit or inputs.shape in self._seen or len(self._seen) >= MAX_SHAPES:
            return
        self._seen.add(inputs.shape)
        largest = max(inputs.nbytes, sum(one.nbytes for one in outputs.values()))
        if 0 < largest <= MAX_BYTES:
            self._free[inputs.shape] = Bound(self._session, inputs, outputs)

    def close(self) -> None:
        self._fit = False
        self._free.clear()
        for one in self._apart:  # whoever holds it still shall not hold the session
            one.compute = closed


def _fit(signature: Signature) -> bool:
    """Whether the shape of the input says what those of the outputs are: one input, of numbers, and
    nothing but the batch that varies in an output."""
    specs = (*signature.inputs, *signature.outputs)
    if len(signature.inputs) != 1 or any(spec.datatype == BYTES for spec in specs):
        return False
    return all(size >= 0 for spec in signature.outputs for size in spec.row_shape)


def _place(bind: Callable[..., None], name: str, array: NDArray[Any]) -> None:
    bind(name, *DEVICE, array.dtype.type, list(array.shape), array.ctypes.data)


def _run_of(session: Any, binding: Any) -> Callable[[], None]:
    """Past the session's front door, as `OnnxRunner` does it; by it, where a version of the library
    keeps either of them elsewhere."""
    inner: Any = getattr(session, "_sess", None)
    bound: Any = getattr(binding, "_iobinding", None)
    if inner is None or bound is None:
        return partial(session.run_with_iobinding, binding)
    return partial(inner.run_with_iobinding, bound, None)
