"""`ModelInferRequest` → what the engine runs: tensors as raw bytes, or typed in the message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from api.grpc import contents
from api.grpc.messages import Message
from models.signature import BYTES, TensorSpec
from services.serving import images, tensors, v2_pictures, wire
from services.serving.errors import Unsupported
from services.serving.refusals import wrong
from services.serving.v2_fields import invalid
from services.serving.v2_heads import MAX_DIMENSIONS, Head, row_count
from services.serving.v2_inputs import layout_of
from services.serving.v2_outputs import WantedOutput, check_classes
from services.serving.v2_pictures import Pictures
from services.serving.v2_request import InferRequest
from services.serving.versions import ServedVersion

KINDS = {
    "bool_param": "true or false",
    "int64_param": "an integer",
    "uint64_param": "an integer",
    "double_param": "a number",
    "string_param": "a string",
    None: "nothing",
}
"""A parameter's value, for an error message, by the field that holds it."""


def read(message: Message, served: ServedVersion) -> InferRequest:
    """Raises `Invalid` that names the tensor, what was expected and what came."""
    heads = _heads(message, served)
    rows = row_count(heads)
    request = InferRequest({}, rows, _wanted(message.outputs, served, rows))
    if heads[0].is_pictures:  # of a model whose only input they are
        request.pictures = _pictures(heads[0], message)
    else:
        request.inputs = _arrays(heads, message)
        if len(heads) == 1:  # those of several do not lie one behind the other
            request.layout = layout_of(heads)
    request.id = message.id or None
    if message.parameters:
        request.backend = _parameter(message, "backend", "string_param")
        request.timeout_us = _integer(message, "timeout") or None
    return request


def _heads(message: Message, served: ServedVersion) -> list[Head]:
    """One for each of the model's inputs, in the order of the request."""
    heads: list[Head] = []
    for tensor in message.inputs:
        one = _head(tensor, served)
        if any(one.spec is other.spec for other in heads):
            raise wrong(one.spec.name, "expected once, got it twice")
        heads.append(one)
    if len(heads) != len(served.inputs):
        given = {one.spec.name for one in heads}
        missing = next(name for name in served.inputs if name not in given)
        raise wrong(missing, "expected in the request, got none")
    return heads


def _head(tensor: Message, served: ServedVersion) -> Head:
    name: str = tensor.name
    spec = served.inputs.get(name)
    if spec is None:
        raise invalid("inputs", f"expected inputs {', '.join(served.inputs)}, got {name[:64]!r}")
    datatype: str = tensor.datatype
    if not wire.takes(spec, datatype) and (datatype != BYTES or images.spec_of(served) is None):
        raise wrong(name, f"expected datatype {spec.datatype}, got {datatype[:16]!r}")
    shape = _shape(tensor.shape, spec)
    as_pictures = datatype == BYTES != spec.datatype
    count = (v2_pictures if as_pictures else tensors).check_shape(spec, shape)
    if "shared_memory_region" in tensor.parameters:
        raise Unsupported(f"input {name!r}: shared memory is not supported")
    return Head(spec, datatype, shape, count, tensor.contents, None)


def _shape(sizes: Sequence[int], spec: TensorSpec) -> tuple[int, ...]:
    if len(sizes) > MAX_DIMENSIONS:
        got = f"{len(sizes)} dimensions"
        raise wrong(spec.name, f"expected shape {list(spec.shape)}, got {got}")
    shape = tuple(sizes)
    if shape and min(shape) < 0:
        raise wrong(spec.name, f"expected integers from 0 in its shape, got {min(shape)}")
    return shape


def _raw(message: Message, heads: Sequence[Head]) -> Sequence[bytes] | None:
    """The raw bytes of each input; None where all are typed."""
    parts: Sequence[bytes] = message.raw_input_contents
    if not parts:
        return None
    for tensor in message.inputs:
        if tensor.HasField("contents"):
            raise wrong(tensor.name, "expected contents or raw_input_contents, got both")
    if len(parts) != len(heads):
        raise invalid(
            "raw_input_contents", f"expected {len(heads)}, one for each input, got {len(parts)}"
        )
    return parts


def _arrays(heads: Sequence[Head], message: Message) -> dict[str, NDArray[Any]]:
    parts = _raw(message, heads)
    if parts is None:
        return {one.spec.name: contents.read(one) for one in heads}
    return {one.spec.name: _from_raw(one, part) for one, part in zip(heads, parts, strict=True)}


def _from_raw(one: Head, raw: bytes) -> NDArray[Any]:
    wire.check_size(one.spec.name, one.datatype, one.shape, one.count, len(raw))
    one.binary_size = len(raw)
    array = wire.read(raw, 0, len(raw), spec=one.spec, datatype=one.datatype, count=one.count)
    return array.reshape(one.shape)


def _pictures(one: Head, message: Message) -> Pictures:
    parts = _raw(message, [one])
    if parts is None:
        return Pictures(one.spec, contents.elements(one))
    wire.check_size(one.spec.name, one.datatype, one.shape, one.count, len(parts[0]))
    return Pictures(one.spec, wire.elements(parts[0], one.spec.name, one.count).tolist())


def _wanted(outputs: Sequence[Message], served: ServedVersion, rows: int) -> Sequence[WantedOutput]:
    if not outputs:
        return [WantedOutput(name, binary=True) for name in served.outputs]
    wanted = [_one_wanted(output, served) for output in outputs]
    if len({one.name for one in wanted}) != len(wanted):
        raise invalid("outputs", "expected each output once")
    for one in wanted:
        check_classes(one, served, rows)
    return wanted


def _one_wanted(output: Message, served: ServedVersion) -> WantedOutput:
    name: str = output.name
    if name not in served.outputs:
        raise invalid("outputs", f"expected outputs {', '.join(served.outputs)}, got {name[:64]!r}")
    if "shared_memory_region" in output.parameters:
        raise Unsupported(f"output {name!r}: shared memory is not supported")
    return WantedOutput(name, binary=True, classes=_integer(output, "classification"))


def _integer(holder: Message, name: str) -> int:
    value: int = _parameter(holder, name, "int64_param", "uint64_param") or 0
    if value < 0:
        raise invalid(name, f"expected an integer from 0, got {value}")
    return value


def _parameter(holder: Message, name: str, *fields: str) -> Any:
    """The value of a parameter, which one of `fields` has to hold; None if there is none."""
    if name not in holder.parameters:  # asking for it would make it
        return None
    value = holder.parameters[name]
    field = value.WhichOneof("parameter_choice")
    if field not in fields:
        raise invalid(name, f"expected {KINDS[fields[0]]}, got {KINDS[field]}")
    return getattr(value, field)
