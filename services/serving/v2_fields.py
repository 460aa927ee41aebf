"""Fields of a v2 request, with errors that say what was expected and what came."""

from __future__ import annotations

from typing import Any

import simdjson

from services.errors import FieldError, Invalid


def parameters_of(holder: simdjson.Object, where: str) -> Any:
    parameters = holder.get("parameters")
    if parameters is not None and not isinstance(parameters, simdjson.Object):
        raise invalid("parameters", f"expected an object in {where}, got {kind(parameters)}")
    return parameters


def flag(parameters: Any, name: str) -> bool:
    value = False if parameters is None else parameters.get(name, False)
    if not isinstance(value, bool):
        raise invalid(name, f"expected true or false, got {kind(value)}")
    return value


def text(holder: Any, name: str) -> str | None:
    value = None if holder is None else holder.get(name)
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
