"""JSON requests, parsed by simdjson: numbers go to numpy without becoming Python objects.

It refuses by itself what JSON does not know: bare NaN, 1e999, halves of surrogate pairs, invalid
UTF-8, nesting without end.
"""

from __future__ import annotations

from typing import Any

import orjson
import simdjson

from services.errors import Invalid

LARGE = 1 << 20
"""A parser keeps memory for the largest document it has seen: documents from here on get their
own, which goes with them."""

_parser = simdjson.Parser()


def parse_object(text: bytes | memoryview) -> simdjson.Object:
    """The JSON object in `text`. Let go of it before the next one is parsed.

    Raises `Invalid` (`invalid_json`) that says what is wrong and where.
    """
    try:
        document = _parsed(text)
    except (ValueError, RuntimeError) as error:
        document = _parsed_again(text, error)
    if not isinstance(document, simdjson.Object):
        raise Invalid("the body is not a JSON object", code="invalid_request")
    return document


def _parsed(text: bytes | memoryview) -> Any:
    global _parser  # noqa: PLW0603 - see below
    if len(text) >= LARGE:
        return simdjson.Parser().parse(text)
    try:
        return _parser.parse(text)
    except RuntimeError as error:
        if not str(error).startswith("Tried to re-use"):
            raise
        # An exception's traceback still holds on to the last document: start afresh.
        _parser = simdjson.Parser()
        return _parser.parse(text)


def _parsed_again(text: bytes | memoryview, error: Exception) -> Any:
    """What simdjson has refused: with integers beyond 64 bits, which JSON allows, as floats."""
    try:
        return _parsed(orjson.dumps(orjson.loads(text)))
    except orjson.JSONDecodeError as better:  # which says where, too
        reason = str(better)
    except (ValueError, RuntimeError, orjson.JSONEncodeError):  # not for the integers, or too deep
        reason = str(error).partition(": ")[2] or "it cannot be read"
    raise Invalid(f"the body is not JSON: {reason}", code="invalid_json") from None
