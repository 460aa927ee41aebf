"""Fields of a v2 request, with errors that say what was expected and what came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import simdjson

from services.errors import FieldError, Invalid

Fields = Mapping[str, Any]

NONE: Fields = {}
MAX_FIELDS = 64


def fields_of(value: Any, expected: str) -> Fields:
    """The fields of a JSON object, as a dict: asking simdjson for a field that is not there costs
    a C++ exception, 2 µs each time."""
    if not isinstance(value, simdjson.Object):
        raise invalid("request", f"expected {expected}, got {kind(value)}")
    if len(value) > MAX_FIELDS:  # each is looked for among all of them
        raise invalid("request", f"expected at most {MAX_FIELDS} fields, got {len(value)}")
    try:
        return {name: value[name] for name in value}
    except KeyError:  # simdjson looks for a name up to its first NUL
        raise invalid("request", "expected names of fields without NUL characters") from None


def parameters_of(holder: Fields, where: str) -> Fields:
    parameters = holder.get("parameters")
    if parameters is None:
        return NONE
    if not isinstance(parameters, simdjson.Object):
        raise invalid("parameters", f"expected an object in {where}, got {kind(parameters)}")
    return fields_of(parameters, "parameters")


def flag(parameters: Fields, name: str, *, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise invalid(name, f"expected true or false, got {kind(value)}")
    return value


def text(holder: Fields, name: str) -> str | None:
    value = holder.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(name, f"expected a string, got {kind(value)}")
    return value


def kind(value: Any) -> str:
    """What a JSON value is, for an error message."""
    names = {simdjson.Array: "a list", simdjson.Object: "an object", str: "a string"}
    if value is None:
        return "nothing"
    return names.get(type(value), "true or false" if isinstance(value, bool) else "a number")


def invalid(field_name: str, message: str) -> Invalid:
    return Invalid(f"{field_name}: {message}", errors=(FieldError(field_name, message),))
