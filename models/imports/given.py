"""The signature of a state dict: given beside it, or told by its architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from models.errors import RefusedModel
from models.signature import Signature, TensorSpec

MAX_TENSORS = 2
"""Inputs of a servable: what is transformed, and what describes it."""
MAX_DIMENSIONS = 8
MAX_ROW = 4 * 2**20
"""Numbers in a row of an input."""


def inferred_input(architecture: Mapping[str, Any]) -> TensorSpec:
    """For a net of so many features. Raises `RefusedModel` for another: a signature is needed."""
    net = architecture["net"]
    size: object = net.get("inputs")
    if net["name"] not in ("linear", "mlp") or type(size) is not int:
        raise RefusedModel(
            f"expected the signature, because the net '{net['name']}' does not tell the shape of "
            "its input, got none",
            "signature",
        )
    return TensorSpec("features", "FP32", (-1, size))


def given_signature(value: Mapping[str, Any] | None, datatypes: Sequence[str]) -> Signature | None:
    """Raises `RefusedModel` that names the part of `value` that is none of a signature."""
    if value is None:
        return None
    unknown = [name for name in value if name not in ("inputs", "outputs")]
    if unknown:
        raise _wrong(unknown[0][:64], "expected only inputs and outputs", "an unknown field")
    inputs = _specs(value, "inputs", datatypes)
    if len(inputs) > MAX_TENSORS:
        raise _wrong("inputs", f"expected at most {MAX_TENSORS}", str(len(inputs)))
    return Signature(inputs, _specs(value, "outputs", datatypes))


def _specs(value: Mapping[str, Any], side: str, datatypes: Sequence[str]) -> tuple[TensorSpec, ...]:
    tensors: object = value.get(side)
    if not isinstance(tensors, list) or not tensors:
        raise _wrong(side, "expected a list of at least one tensor", type(tensors).__name__)
    items = cast(list[object], tensors)
    specs = tuple(_spec(item, f"{side}.{at}", datatypes) for at, item in enumerate(items))
    if len({spec.name for spec in specs}) < len(specs):
        raise _wrong(side, "expected names of their own", "one name twice")
    return specs


def _spec(item: object, where: str, datatypes: Sequence[str]) -> TensorSpec:
    if not isinstance(item, dict):
        raise _wrong(where, "expected an object", type(item).__name__)
    fields = cast(dict[str, Any], item)
    name, datatype, shape = (fields.get(key) for key in ("name", "datatype", "shape"))
    if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name) <= 256:
        raise _wrong(f"{where}.name", "expected 1 to 256 printable characters", _brief(name))
    if datatype not in datatypes:
        raise _wrong(
            f"{where}.datatype", f"expected one of {', '.join(datatypes)}", _brief(datatype)
        )
    return TensorSpec(
        name,
        str(datatype),
        _shape(shape, f"{where}.shape"),
        _columns(fields.get("columns"), shape, f"{where}.columns"),
    )


def _shape(value: object, where: str) -> tuple[int, ...]:
    expected = "expected -1, the batch, and then sizes of at least 1, or -1 for one that varies"
    sizes = cast(list[object], value) if isinstance(value, list) else []
    whole = [size for size in sizes if type(size) is int and (size == -1 or size >= 1)]
    if len(whole) != len(sizes) or not 1 <= len(sizes) <= MAX_DIMENSIONS or whole[0] != -1:
        raise _wrong(where, expected, _brief(value))
    row = 1
    for size in whole[1:]:
        row *= max(size, 1)
    if row > MAX_ROW:
        raise _wrong(where, f"expected at most {MAX_ROW} numbers a row", _brief(value))
    return tuple(whole)


def _columns(value: object, shape: object, where: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = cast(list[object], value) if isinstance(value, list) else []
    texts = [name for name in names if isinstance(name, str) and 0 < len(name) <= 256]
    width = cast(list[int], shape)
    if len(texts) != len(names) or len(width) != 2 or len(set(texts)) != width[1]:
        raise _wrong(where, "expected a name for each feature of a row", _brief(value))
    return tuple(texts)


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"


def _wrong(where: str, expected: str, got: str) -> RefusedModel:
    return RefusedModel(f"{where}: {expected}, got {got}", "signature")
