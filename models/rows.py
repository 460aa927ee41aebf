"""Batches out of rows: cut them, repeat them, or make some up. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.lazy import lazy
from models.signature import BYTES, LENGTHS, Signature, TensorSpec

if TYPE_CHECKING:
    import safetensors
else:
    safetensors = lazy("safetensors")

Tensors = Mapping[str, NDArray[Any]]
"""Named arrays, batch first."""

FREE_SIZE = 16
"""What a made-up row takes for a dimension that may vary."""

WORDS = (b"", b"a", b"torch", b"caf\xc3\xa9")
"""What made-up text is drawn from."""


def row_count(rows: Tensors) -> int:
    """How many rows a batch has: the first dimension, the same in every array."""
    for array in rows.values():
        return array.shape[0]
    raise ValueError("a batch has at least one array")


def take(rows: Tensors, start: int, count: int) -> dict[str, NDArray[Any]]:
    """`count` rows from `start` on, going round to the first after the last; a copy."""
    index = (start + np.arange(count)) % max(row_count(rows), 1)
    return {name: array[index] for name, array in rows.items()}


def synthetic(
    signature: Signature, count: int, *, seed: int, directory: Path | None = None
) -> dict[str, NDArray[Any]]:
    """`count` made-up rows in the model's own range, for timing where no data may be kept.

    Features of a model that standardises are drawn from N(mean, std²) of the statistics in
    `directory`; other floats from [0, 1), pixels from 0 to 255; sequences
    are as long as they are made; other integers (ids) are 1; text is a few words.
    """
    rng = Random(seed)  # noqa: S311 - numpy's own is 3 MB of a process that has no other use for it
    made = {spec.name: _draw(spec, count, rng) for spec in signature.inputs}
    if signature.takes_sequences:
        made[LENGTHS] *= FREE_SIZE
    statistics = _statistics(directory) if directory else None
    first = signature.inputs[0]
    if statistics and first.dtype.kind == "f":
        mean, std = statistics
        drawn = mean + std * _normal(rng, made[first.name].shape)
        made[first.name] = drawn.astype(first.dtype)
    return made


def effort(inputs: Tensors, rows: int) -> int:
    """`rows` sequences in rows of `synthetic`, which a model's speed is measured with: attention
    takes as long as there are pairs of steps."""
    steps = max((array.shape[1] for array in inputs.values() if array.ndim == 3), default=FREE_SIZE)
    return max(rows, rows * steps**2 // FREE_SIZE**2)


def _draw(spec: TensorSpec, count: int, rng: Random) -> NDArray[Any]:
    shape = (count, *(FREE_SIZE if size < 0 else size for size in spec.row_shape))
    if spec.dtype.kind == "f":
        return _uniform(rng, shape).astype(spec.dtype)
    if spec.datatype == BYTES:
        return np.array(WORDS, np.object_)[(_uniform(rng, shape) * len(WORDS)).astype(int)]
    if spec.dtype == np.uint8:
        return _bits(rng, shape, spec.dtype)
    return np.ones(shape, spec.dtype)


def _bits(rng: Random, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    drawn = bytearray(rng.randbytes(prod(shape) * dtype.itemsize))
    return np.frombuffer(drawn, dtype).reshape(shape)


def _uniform(rng: Random, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """From [0, 1), in steps of 2⁻³²."""
    return _bits(rng, shape, np.dtype(np.uint32)) * 2.0**-32


def _normal(rng: Random, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Mean 0, deviation 1; by Box and Muller."""
    length = np.sqrt(-2 * np.log(1 - _uniform(rng, shape)))
    return length * np.cos(2 * np.pi * _uniform(rng, shape))


def _statistics(directory: Path) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Mean and standard deviation of a model that begins with `standardize`; None without."""
    try:
        architecture = json.loads((directory / "architecture.json").read_bytes())
        if architecture["pre"]["name"] != "standardize":
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    file: Any
    try:
        with safetensors.safe_open(directory / "model.safetensors", framework="numpy") as file:
            return file.get_tensor("pre.mean"), file.get_tensor("pre.std")
    except (OSError, safetensors.SafetensorError):
        return None
