"""The errors of a tensor: they name it, and say what was expected and what came."""

from __future__ import annotations

from services.errors import FieldError, Invalid


def wrong(tensor: str, message: str) -> Invalid:
    return Invalid(
        f"input {tensor!r}: {message}",
        code="invalid_input",
        errors=(FieldError(f"inputs.{tensor}", message),),
    )


def wrong_field(field: str, message: str) -> Invalid:
    """The error of a place in a JSON body: `inputs.0`."""
    return Invalid(
        f"{field}: {message}", code="invalid_input", errors=(FieldError(field, message),)
    )
