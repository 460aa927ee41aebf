"""Inference requests of the Open Inference Protocol, with Triton's binary tensor extension.

A body is JSON, or JSON followed by the raw bytes of tensors in the order of its inputs; then the
header `Inference-Header-Content-Length` says how long the JSON is. Where it says 0 there are only
the bytes of a model's one input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from services.serving.json_document import parse_object
from services.serving.v2_fields import Fields, fields_of, flag, invalid, kind, parameters_of, text
from services.serving.v2_inputs import Placed, read_inputs
from services.serving.v2_outputs import WantedOutput, wanted_outputs
from services.serving.v2_pictures import Pictures
from services.serving.v2_raw import read_raw
from services.serving.versions import ServedVersion

__all__ = ["InferRequest", "Placed", "WantedOutput", "parse"]


@dataclass(slots=True)
class InferRequest:
    """What a client asks for; `inputs` fit the version's signature."""

    inputs: Mapping[str, NDArray[Any]]
    rows: int
    outputs: Sequence[WantedOutput]
    id: str | None = None
    backend: str | None = None
    timeout_us: int | None = None
    """How long the client waits for the answer, microseconds; None where it does not say."""
    layout: tuple[Placed, ...] | None = None
    """Where the inputs lie, in the order of the document, if all are raw bytes of exactly the
    model's datatypes. It depends on nothing but the JSON: a body with the same JSON and as many
    bytes behind it has its inputs in the same places."""
    pictures: Pictures | None = None
    """What `decode` of it makes the inputs of, in a thread; None almost always."""


def parse(raw: bytes, header_length: bytes | None, served: ServedVersion) -> InferRequest:
    """Raises `Invalid` that names the tensor, what was expected and what came."""
    if header_length == b"0":
        alone = read_raw(raw, served)
        outputs = [WantedOutput(name, binary=True) for name in served.outputs]
        return InferRequest(alone.arrays, alone.rows, outputs)
    head_size = _head_size(raw, header_length)
    document = fields_of(
        parse_object(raw if head_size == len(raw) else raw[:head_size]), "an object"
    )
    inputs = read_inputs(document, raw, head_size, served)
    parameters = parameters_of(document, "the request")
    binary = flag(parameters, "binary_data_output")
    return InferRequest(
        inputs.arrays,
        inputs.rows,
        wanted_outputs(document.get("outputs"), served, binary=binary, rows=inputs.rows),
        text(document, "id"),
        text(parameters, "backend"),
        _timeout_us(parameters),
        inputs.layout,
        inputs.pictures,
    )


def _timeout_us(parameters: Fields) -> int | None:
    value = parameters.get("timeout", 0)
    if type(value) is not int or value < 0:
        got = value if type(value) is int else kind(value)
        raise invalid("timeout", f"expected an integer from 0, in microseconds, got {got}")
    return value or None


def _head_size(raw: bytes, header_length: bytes | None) -> int:
    if header_length is None:
        return len(raw)
    # isdigit alone would let through a number of a megabyte, which int() refuses to read
    if header_length.isdigit() and len(header_length) < 16 and int(header_length) <= len(raw):
        return int(header_length)
    raise invalid(
        "Inference-Header-Content-Length",
        f"expected 0 to {len(raw)}, the length of the body, got {header_length[:32]!r}",
    )
