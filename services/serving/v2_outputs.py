"""Which outputs a v2 request asks for, and in which form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import simdjson

from models.signature import BYTES
from services.serving.classification import MAX_STRINGS
from services.serving.errors import Unsupported
from services.serving.v2_fields import fields_of, flag, invalid, kind, parameters_of
from services.serving.versions import ServedVersion


class WantedOutput(NamedTuple):
    name: str
    binary: bool
    classes: int = 0
    """How many of the largest values are asked for, with their labels; 0 for all as they are."""


def wanted_outputs(
    outputs: Any, served: ServedVersion, *, binary: bool, rows: int
) -> Sequence[WantedOutput]:
    """As `outputs` in the JSON says; all of the model's where it says nothing. Raises `Invalid`."""
    if outputs is None:
        return _all(served, binary=binary)
    if not isinstance(outputs, simdjson.Array):
        raise invalid("outputs", f"expected a list, got {kind(outputs)}")
    wanted = [_one(output, served, binary=binary) for output in outputs]
    if len({one.name for one in wanted}) != len(wanted):
        raise invalid("outputs", "expected each output once")
    for one in wanted:
        check_classes(one, served, rows)
    return wanted or _all(served, binary=binary)


def check_classes(wanted: WantedOutput, served: ServedVersion, rows: int) -> None:
    """Whether the largest values of the output can be told. Raises `Invalid`."""
    if wanted.classes and served.outputs[wanted.name].datatype == BYTES:
        message = f"expected an output of numbers, got {wanted.name!r} of BYTES"
        raise invalid("classification", message)
    if wanted.classes * rows > MAX_STRINGS:
        message = f"expected at most {MAX_STRINGS} of all rows, got {wanted.classes} of {rows} rows"
        raise invalid("classification", message)


def _all(served: ServedVersion, *, binary: bool) -> Sequence[WantedOutput]:
    return [WantedOutput(name, binary) for name in served.outputs]


def _one(output: Any, served: ServedVersion, *, binary: bool) -> WantedOutput:
    fields = fields_of(output, "outputs that are objects")
    name = fields.get("name")
    if not isinstance(name, str) or name not in served.outputs:
        got = repr(name[:64]) if isinstance(name, str) else kind(name)
        raise invalid("outputs", f"expected outputs {', '.join(served.outputs)}, got {got}")
    parameters = parameters_of(fields, f"output {name!r}")
    if "shared_memory_region" in parameters:
        raise Unsupported(f"output {name!r}: shared memory is not supported")
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        got = classes if type(classes) is int else kind(classes)
        raise invalid("classification", f"expected an integer from 0 for {name!r}, got {got}")
    return WantedOutput(name, flag(parameters, "binary_data", default=binary), classes)
