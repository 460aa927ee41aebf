"""Triton's classification extension: the largest values of an output, with what they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.serving import texts

MAX_STRINGS = 1 << 16
"""Of an answer: each is written by Python, and holds the event loop up a little."""


def top(array: NDArray[Any], count: int, classes: Sequence[str] | None) -> NDArray[Any]:
    """→ (rows, `count`) of BYTES, `value:index:label`, the largest first, equals by index.

    `count` is cut to how many values a row has; the label is left out where `classes` are not as
    many.
    """
    values = array.reshape(len(array), int(np.prod(array.shape[1:])))
    width = values.shape[1]
    labels = classes if classes is not None and len(classes) == width else None
    order = _descending(values)[:, :count]
    picked = np.take_along_axis(values, order, axis=1)
    strings = [
        _string(value, int(index), labels)
        for value, index in zip(picked.reshape(-1), order.reshape(-1), strict=True)
    ]
    return texts.array_of(strings, order.shape)


def _descending(values: NDArray[Any]) -> NDArray[np.intp]:
    """Indices by falling value. Sorted backwards and turned round, so that equals keep their order
    and no value has to be negated; NaN comes last."""
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), -np.inf, values)
    last = values.shape[1] - 1
    return (last - np.argsort(values[:, ::-1], axis=1, kind="stable"))[:, ::-1]


def _string(value: Any, index: int, labels: Sequence[str] | None) -> bytes:
    number = int(value) if isinstance(value, np.bool_) else value
    label = "" if labels is None else f":{labels[index]}"
    return f"{number!s}:{index}{label}".encode()
