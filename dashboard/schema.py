"""The fields of a form, from the JSON Schema of a pipeline's params."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, cast

Kind = Literal["text", "choice", "choices", "switch"]
Schema = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Field:
    """One value to be filled in; `path` leads to it, as ("optimizer", "lr")."""

    path: tuple[str, ...]
    kind: Kind
    default: Any
    description: str
    options: tuple[str, ...] = ()
    bounds: str = ""

    @property
    def name(self) -> str:
        """As the service names it in an error, behind `params.`."""
        return ".".join(self.path)


def fields(schema: Schema) -> list[Field]:
    """All fields in their order, those of nested objects in the place of the object."""
    return _fields(schema, schema.get("$defs", {}), (), {})


def _fields(schema: Schema, defs: Schema, above: tuple[str, ...], defaults: Schema) -> list[Field]:
    found: list[Field] = []
    for name, own in cast(dict[str, Schema], schema.get("properties", {})).items():
        path = (*above, name)
        default = defaults.get(name, own.get("default"))
        if "$ref" in own:
            inner = defs[own["$ref"].rpartition("/")[2]]
            found += _fields(inner, defs, path, default or {})
        else:
            found.append(_field(path, own, default))
    return found


def _field(path: tuple[str, ...], own: Schema, default: Any) -> Field:
    description = own.get("description", "")
    some: Schema = next((one for one in own.get("anyOf", [own]) if one.get("type") != "null"), own)
    if "enum" in some and some is own:
        return Field(path, "choice", default, description, tuple(some["enum"]))
    if some.get("type") == "boolean":
        return Field(path, "switch", default, description)
    if "enum" in some.get("items", {}):
        return Field(path, "choices", default, description, tuple(some["items"]["enum"]))
    return Field(path, "text", default, description, bounds=_bounds(some))


def _bounds(some: Schema) -> str:
    """`1 to 100000`, `above 0, to 10`."""
    low = next((f"{some[key]:g}" for key in ("minimum",) if key in some), "")
    above = next((f"above {some[key]:g}" for key in ("exclusiveMinimum",) if key in some), "")
    high = next((f"to {some[key]:g}" for key in ("maximum",) if key in some), "")
    below = next((f"below {some[key]:g}" for key in ("exclusiveMaximum",) if key in some), "")
    first = low or above
    last = high or below
    return f"{first} {last}" if low and high else ", ".join(filter(None, [first, last]))


def text(value: Any) -> str:
    """A default as it is typed in; nothing is null."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, cast(list[object], value)))
    return str(value)


def read(field: Field, typed: Any) -> Any:
    """What a form's element holds as a value for the service, which judges it: what is no number
    stays text, and is refused there with what was expected."""
    if field.kind != "text":
        return typed
    words = str(typed or "").strip()
    if not words:
        return [] if isinstance(field.default, list) else None
    if isinstance(field.default, list) or "," in words:
        return [_scalar(part) for part in words.strip("[]").split(",") if part.strip()]
    return _scalar(words)


def _scalar(words: str) -> Any:
    try:
        value: Any = json.loads(words)
    except ValueError:
        return words.strip()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else words.strip()


def changed(values: dict[Field, Any]) -> dict[str, Any]:
    """Those that differ from their defaults, nested as the service takes them."""
    params: dict[str, Any] = {}
    for field, value in values.items():
        if value == field.default:
            continue
        inside = params
        for name in field.path[:-1]:
            inside = inside.setdefault(name, {})
        inside[field.path[-1]] = value
    return params
