"""What a servable model takes and gives: named tensors with a datatype and a shape.

Names of datatypes are the Open Inference Protocol's (KServe V2, "Tensor Data Types").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

DATATYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}
"""Of numbers. Text is `BYTES`."""

BYTES = "BYTES"
"""Text: an array of objects, each of which is a Python `bytes` of UTF-8."""
TEXT = np.dtype(np.object_)


LENGTHS = "lengths"
"""The input that says how many steps of each padded row are its own."""


@dataclass(frozen=True)
class TensorSpec:
    """One named tensor; `-1` in `shape` is a dimension that may vary, the first one the batch."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    columns: tuple[str, ...] | None = None
    """Names of the features of a table's row, in order; None where they have no names."""

    @property
    def dtype(self) -> np.dtype[Any]:
        return TEXT if self.datatype == BYTES else DATATYPES[self.datatype]

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row, without the batch dimension."""
        return self.shape[1:]

    @property
    def has_steps(self) -> bool:
        """Whether a row is any number of steps of so many numbers each."""
        return len(self.shape) == 3 and self.shape[1] < 0 < self.shape[2]

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of `shape` (batch first) fits."""
        return len(shape) == len(self.shape) and all(
            want in (-1, got) for want, got in zip(self.shape, shape, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        value = {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}
        return value if self.columns is None else {**value, "columns": list(self.columns)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> TensorSpec:
        columns = value.get("columns")
        names = None if columns is None else tuple(columns)
        return cls(value["name"], value["datatype"], tuple(value["shape"]), names)


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a model, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def takes_sequences(self) -> bool:
        """Whether it takes padded rows of steps and, second, their lengths."""
        match self.inputs:
            case (first, TensorSpec(name=name, datatype="INT64", shape=(-1,))):
                return name == LENGTHS and first.has_steps
            case _:
                return False

    def to_json(self) -> dict[str, Any]:
        return {
            "inputs": [spec.to_json() for spec in self.inputs],
            "outputs": [spec.to_json() for spec in self.outputs],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Signature:
        return cls(
            tuple(TensorSpec.from_json(spec) for spec in value["inputs"]),
            tuple(TensorSpec.from_json(spec) for spec in value["outputs"]),
        )
