"""pydantic's errors in the service's words: the field, what was expected, what came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from services.errors import FieldError

MAX_NAME = 64
"""Characters of a name that came with the request, and levels of a path, in an answer."""

EXPECTED = {
    "Input should be ": "expected ",
    "Input should have ": "expected a value with ",
    "String should have ": "expected text with ",
    "String should match ": "expected text to match ",
    "List should have ": "expected a list with ",
    "Value error, ": "",
}
"""How pydantic's sentences begin, and how ours do."""


def field_errors(
    errors: list[Any], model: type[BaseModel] | None = None, *, within: str = ""
) -> tuple[FieldError, ...]:
    """`errors` of a `ValidationError`, with dotted paths that begin with `within`.

    `model` is what was validated against: with it, an unknown field is told the known ones.
    """
    return tuple(_field_error(item, model, within) for item in errors)


def _field_error(item: Mapping[str, Any], model: type[BaseModel] | None, within: str) -> FieldError:
    where = [str(part)[:MAX_NAME] for part in item["loc"][:MAX_NAME]]
    field = ".".join([*filter(None, [within]), *where]) or "body"
    if item["type"] == "extra_forbidden":
        known = sorted(_fields_at(model, item["loc"][:-1]))
        return FieldError(field, _unknown(known))
    if item["type"] == "missing":
        return FieldError(field, "expected a value, got none: this field is required")
    return FieldError(field, f"{_expected(item['msg'])}, got {brief(item['input'])}")


def _unknown(known: list[str]) -> str:
    return f"unknown field, expected one of {', '.join(known)}" if known else "unknown field"


def _expected(message: str) -> str:
    """Without what pydantic adds about the value itself: that comes after, in our form."""
    message = message.partition(" after validation, not ")[0]
    for theirs, ours in EXPECTED.items():
        if message.startswith(theirs):
            return ours + message.removeprefix(theirs)
    return message


def _fields_at(model: type[BaseModel] | None, path: tuple[int | str, ...]) -> set[str]:
    """The names that an object at `path` may have."""
    models = [] if model is None else [model]
    for part in path:
        fields = [inner.model_fields.get(str(part)) for inner in models]
        models = [found for field in fields if field for found in _models_in(field.annotation)]
    return {name for inner in models for name in inner.model_fields}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def brief(value: Any) -> str:
    """A value in an error message: as it is if that is short, else its type."""
    text = repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"
