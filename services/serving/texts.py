"""Tensors of BYTES: arrays of objects, each of which is a Python `bytes`.

In JSON an element is a string, and its bytes are UTF-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import simdjson
from numpy.typing import NDArray

from services.errors import Invalid
from services.serving import nesting
from services.serving.misfits import first_misfit
from services.serving.refusals import wrong
from services.serving.v2_fields import kind

MAX_ELEMENTS = 1 << 17
"""Of a tensor: each is a Python object, and all of them hold the event loop up for 0.1 s."""


def check_count(name: str, count: int) -> None:
    """Raises `Invalid` that names the tensor."""
    if count > MAX_ELEMENTS:
        raise wrong(name, f"expected at most {MAX_ELEMENTS} elements of BYTES, got {count}")


def array_of(elements: Sequence[Any], shape: Sequence[int]) -> NDArray[Any]:
    """An array of objects; numpy alone would look inside of them."""
    array = np.empty(len(elements), object)
    array[:] = elements
    return array.reshape(shape)


def from_json(data: simdjson.Array, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array of `shape` out of `data`, flat or nested as the shape is. Raises `Invalid`."""
    elements = _flat(data.as_list(), name, shape)
    check_count(name, len(elements))
    if len(elements) != np.prod(shape):
        raise wrong(
            name, f"expected {np.prod(shape)} values for shape {list(shape)}, got {len(elements)}"
        )
    for element in elements:
        if not isinstance(element, str):
            got = first_misfit(data, lambda one: isinstance(one, str)) or _kind(element)
            raise wrong(name, f"expected BYTES as strings, got {got}")
    return array_of([element.encode() for element in elements], shape)


def checked(array: NDArray[Any], name: str) -> NDArray[Any]:
    """`array`, if all of its elements are UTF-8, as models that take text know no other.

    Raises `Invalid` that names the tensor.
    """
    for index, element in enumerate(array.reshape(-1)):
        try:
            element.decode()
        except UnicodeDecodeError:
            message = f"expected BYTES in UTF-8, got other bytes in element {index}"
            raise wrong(name, message) from None
    return array


def to_strings(array: NDArray[Any], output: str) -> NDArray[Any]:
    """An array of str. Raises `Invalid` (`not_text`) that names the output."""
    try:
        return array_of([element.decode() for element in array.reshape(-1)], array.shape)
    except UnicodeDecodeError:
        raise Invalid(
            f"output {output!r} has bytes that are not UTF-8, which JSON cannot hold; "
            "ask /v2 for binary data",
            code="not_text",
        ) from None


def _flat(values: list[Any], name: str, shape: tuple[int, ...]) -> list[Any]:
    if not (values and isinstance(values[0], list)):
        return values
    parts: list[Any] = [values]
    for size in shape:
        if not all(isinstance(part, list) and len(part) == size for part in parts):
            raise wrong(name, nesting.ragged(shape))
        parts = [item for part in parts for item in part]
    return parts


def _kind(value: Any) -> str:
    """As `kind`, of what simdjson has turned into Python objects."""
    return {list: "a list", dict: "an object"}.get(type(value)) or kind(value)
