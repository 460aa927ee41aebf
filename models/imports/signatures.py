"""The signature of an ONNX model, as ONNX Runtime sees its graph."""

from __future__ import annotations

from math import prod
from typing import Any

from models.errors import RefusedModel
from models.rows import FREE_SIZE
from models.signature import BYTES, DATATYPES, Signature, TensorSpec

NUMPY_NAMES = {
    "bool": "BOOL",
    **{f"uint{bits}": f"UINT{bits}" for bits in (8, 16, 32, 64)},
    **{f"int{bits}": f"INT{bits}" for bits in (8, 16, 32, 64)},
    "float16": "FP16",
    "float": "FP32",
    "double": "FP64",
    "string": BYTES,
}
"""From ONNX Runtime's words. It takes and gives numpy arrays of these, of no others."""

MAX_TENSORS = 64
MAX_NAME = 256
MAX_ROW_BYTES = 16 * 2**20
"""Of one row of a tensor: more than a request may hold by default."""


def signature_of(session: Any) -> Signature:
    """Inputs and outputs of a loaded session, in the graph's order.

    Raises `RefusedModel` that names the tensor, what was expected of it, and what it is.
    """
    inputs = tuple(_spec(value, "input") for value in session.get_inputs())
    outputs = tuple(_spec(value, "output") for value in session.get_outputs())
    for specs, kind in ((inputs, "inputs"), (outputs, "outputs")):
        if not 1 <= len(specs) <= MAX_TENSORS:
            raise RefusedModel(f"expected 1 to {MAX_TENSORS} {kind}, got {len(specs)}")
    return Signature(inputs, outputs)


def _spec(value: Any, kind: str) -> TensorSpec:
    name: str = value.name
    where = f"{kind} {name[:64]!r}"
    if not name.isprintable() or not 1 <= len(name) <= MAX_NAME:
        raise RefusedModel(f"{where}: expected a name of 1 to {MAX_NAME} printable characters")
    datatype = _datatype(value.type, where)
    shape = _shape(value.shape, where)
    sizes = [FREE_SIZE if size < 0 else size for size in shape[1:]]
    itemsize = 8 if datatype == BYTES else DATATYPES[datatype].itemsize
    if prod(sizes) * itemsize > MAX_ROW_BYTES:
        raise RefusedModel(
            f"{where}: expected at most {MAX_ROW_BYTES} bytes a row, got shape {list(shape)}"
        )
    return TensorSpec(name, datatype, shape)


def _datatype(kind: str, where: str) -> str:
    """`tensor(float)` → `FP32`."""
    if not kind.startswith("tensor("):
        raise RefusedModel(
            f"{where}: expected a tensor, got {kind[:64]}"
            + (" (scikit-learn's converter has the option zipmap=False)" if "map" in kind else "")
        )
    inner = kind.removeprefix("tensor(").removesuffix(")")
    if inner not in NUMPY_NAMES:
        raise RefusedModel(
            f"{where}: expected one of the datatypes {', '.join(NUMPY_NAMES.values())}, got "
            f"{inner[:32]}, of which ONNX Runtime takes no numpy arrays"
        )
    return NUMPY_NAMES[inner]


def _shape(sizes: list[Any], where: str) -> tuple[int, ...]:
    shape = tuple(size if isinstance(size, int) else -1 for size in sizes)
    if not shape:
        raise RefusedModel(
            f"{where}: expected a shape whose first dimension is the batch, got a scalar"
        )
    if shape[0] >= 0:
        raise RefusedModel(
            f"{where}: expected a first dimension that varies, the batch, got {shape[0]} in shape "
            f"{list(shape)}; export the model with a dynamic first axis"
        )
    if 0 in shape:
        raise RefusedModel(f"{where}: expected dimensions of at least 1, got shape {list(shape)}")
    return shape
