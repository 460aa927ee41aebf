"""Inference requests of the Open Inference Protocol, with Triton's binary tensor extension.

A body is JSON, or JSON followed by the raw bytes of tensors in the order of its inputs; then the
header `Inference-Header-Content-Length` says how long the JSON is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import simdjson
from numpy.typing import NDArray

from services.serving.errors import Unsupported
from services.serving.json_document import parse_object
from services.serving.v2_fields import fields_of, flag, invalid, kind, parameters_of, text
from services.serving.v2_inputs import read_inputs
from services.serving.versions import ServedVersion


class WantedOutput(NamedTuple):
    name: str
    binary: bool


@dataclass(slots=True)
class InferRequest:
    """What a client asks for; `inputs` fit the version's signature."""

    inputs: Mapping[str, NDArray[Any]]
    rows: int
    outputs: Sequence[WantedOutput]
    id: str | None = None
    backend: str | None = None


def parse(raw: bytes, header_length: bytes | None, served: ServedVersion) -> InferRequest:
    """Raises `Invalid` that names the tensor, what was expected and what came."""
    head_size = _head_size(raw, header_length)
    document = fields_of(
        parse_object(raw if head_size == len(raw) else raw[:head_size]), "an object"
    )
    inputs, rows = read_inputs(document, raw, head_size, served)
    parameters = parameters_of(document, "the request")
    return InferRequest(
        inputs,
        rows,
        _wanted(document.get("outputs"), served, binary=flag(parameters, "binary_data_output")),
        text(document, "id"),
        text(parameters, "backend"),
    )


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


def _wanted(outputs: Any, served: ServedVersion, *, binary: bool) -> Sequence[WantedOutput]:
    if outputs is None:
        return [WantedOutput(name, binary) for name in served.outputs]
    if not isinstance(outputs, simdjson.Array):
        raise invalid("outputs", f"expected a list, got {kind(outputs)}")
    wanted = [_one_wanted(output, served, binary=binary) for output in outputs]
    if len({one.name for one in wanted}) != len(wanted):
        raise invalid("outputs", "expected each output once")
    return wanted or [WantedOutput(name, binary) for name in served.outputs]


def _one_wanted(output: Any, served: ServedVersion, *, binary: bool) -> WantedOutput:
    fields = fields_of(output, "outputs that are objects")
    name = fields.get("name")
    if not isinstance(name, str) or name not in served.outputs:
        got = repr(name[:64]) if isinstance(name, str) else kind(name)
        raise invalid("outputs", f"expected outputs {', '.join(served.outputs)}, got {got}")
    parameters = parameters_of(fields, f"output {name!r}")
    for unsupported in ("classification", "shared_memory_region"):
        if unsupported in parameters:
            raise Unsupported(f"output {name!r}: {unsupported} is not supported")
    return WantedOutput(name, flag(parameters, "binary_data", default=binary))
