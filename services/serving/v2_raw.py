"""Triton's raw binary requests: no JSON, the whole body is the bytes of the model's one input."""

from __future__ import annotations

from math import prod

from models.signature import BYTES, TensorSpec
from services.serving import tensors, texts, wire
from services.serving.refusals import wrong
from services.serving.v2_fields import invalid
from services.serving.v2_inputs import Inputs
from services.serving.versions import ServedVersion


def read_raw(body: bytes, served: ServedVersion) -> Inputs:
    """As many rows as the body has or, of a model whose rows vary in one dimension, one row; a body
    of BYTES is one element. Raises `Invalid`."""
    if len(served.inputs) != 1:
        raise invalid(
            "Inference-Header-Content-Length",
            f"expected the length of a JSON with the inputs {', '.join(served.inputs)}, got 0, "
            "which is for models with one input",
        )
    (spec,) = served.inputs.values()
    if spec.datatype == BYTES:
        shape = (1,) * len(spec.shape)
        tensors.check_shape(spec, shape)
        array = texts.checked(texts.array_of([body], shape), spec.name)
        return Inputs({spec.name: array}, 1)
    shape = _shape(spec, len(body))
    count = tensors.check_shape(spec, shape)
    array = wire.read(body, 0, len(body), spec=spec, datatype=spec.datatype, count=count)
    return Inputs({spec.name: array.reshape(shape)}, shape[0])


def _shape(spec: TensorSpec, size: int) -> tuple[int, ...]:
    """What `size` bytes are the tensor of."""
    free = [axis for axis, want in enumerate(spec.shape) if want < 0 and axis > 0]
    if len(free) > 1:
        raise wrong(
            spec.name,
            f"expected its shape in a JSON before its bytes, since {list(spec.shape)} "
            f"leaves {len(free)} dimensions of a row open, got none",
        )
    known = max(prod(want for want in spec.row_shape if want >= 0), 1)
    unit = known * wire.ITEM_BYTES[spec.datatype]
    if size % unit:
        raise wrong(
            spec.name,
            f"expected a multiple of {unit} bytes for shape {list(spec.shape)} of "
            f"{spec.datatype}, got {size}",
        )
    if not free:
        return (size // unit, *spec.row_shape)
    return (1, *(size // unit if want < 0 else want for want in spec.row_shape))
