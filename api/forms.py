"""Reading `multipart/form-data` (RFC 7578) in which one part is a file: it goes to the disk as it
comes, the other fields into memory, and neither further than it may be long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from api.bodies import SILENCE_S
from services.errors import FieldError, Invalid, TooLarge
from services.field_errors import field_errors
from services.serving.errors import Unsupported

Model = TypeVar("Model", bound=BaseModel)

MAX_PARTS = 16
MAX_FIELD_BYTES = 1024
"""Of a part that is not the file, where its route does not say otherwise."""
MEDIA_TYPE = "multipart/form-data"


@dataclass
class Form:
    """The fields by name: text, and the file's as the path that it was written to."""

    fields: dict[str, str | Path] = field(default_factory=dict[str, "str | Path"])
    problems: list[FieldError] = field(default_factory=list[FieldError])


async def read_form(
    request: Request,
    target: Path,
    *,
    file_field: str,
    limit: int,
    field_limit: int = MAX_FIELD_BYTES,
) -> Form:
    """Read a form of at most `limit` bytes, whose part `file_field` is written to `target`; no
    other has more than `field_limit`.

    Raises `Unsupported` for another media type, `TooLarge`, and `Invalid` for what is no
    multipart body or stops coming.
    """
    boundary = _boundary(request.headers.get("content-type", ""))
    with target.open("wb") as file:
        reader = _Reader(boundary, file_field, target, file, field_limit)
        async for chunk in _chunks(request.receive, limit):
            # Written here and not in a thread: a chunk is small, and goes to the page cache.
            reader.feed(chunk)
    return reader.finish()


async def read_model(
    request: Request,
    model: type[Model],
    target: Path,
    *,
    file_field: str,
    limit: int,
    field_limit: int = MAX_FIELD_BYTES,
) -> Model:
    """The form as `model`, every field at fault named."""
    form = await read_form(
        request, target, file_field=file_field, limit=limit, field_limit=field_limit
    )
    if form.problems:
        raise Invalid("the request is not valid", errors=tuple(form.problems))
    try:
        return model.model_validate(form.fields)
    except ValidationError as error:
        fields = field_errors(error.errors(include_url=False), model)
        raise Invalid("the request is not valid", errors=fields) from None


def form_docs(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads `model` as a form."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": schema}}}}


def _boundary(content_type: str) -> bytes:
    media_type, options = parse_options_header(content_type)
    shown = media_type.decode("latin-1")
    if shown != MEDIA_TYPE:
        raise Unsupported(
            f"expected Content-Type {MEDIA_TYPE}, got {shown[:64] or 'none'!r}",
            code="unsupported_media_type",
        )
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise _invalid("expected a boundary in Content-Type, got none")
    return boundary


async def _chunks(receive: Receive, limit: int) -> AsyncGenerator[bytes]:
    size, more = 0, True
    while more:
        try:
            async with asyncio.timeout(SILENCE_S):
                message = await receive()
        except TimeoutError:
            raise Invalid(f"the body stopped after {size} bytes", code="incomplete_body") from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"expected a body of at most {limit} bytes, got more")
        more = message.get("more_body", False)
        yield chunk


class _Reader:
    """Follows the parser through the parts of a body."""

    def __init__(
        self, boundary: bytes, file_field: str, target: Path, file: BinaryIO, field_limit: int
    ) -> None:
        self._file_field = file_field
        self._field_limit = field_limit
        self._target = target
        self._file = file
        self._form = Form()
        self._parts = 0
        self._header = (b"", b"")
        self._name = ""
        self._text = bytearray()
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:  # a boundary that is too long
            raise _invalid(str(error)) from None

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _invalid(str(error)) from None

    def finish(self) -> Form:
        if not self._ended:
            raise _invalid("expected a closing boundary at its end, got none")
        return self._form

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _invalid(f"expected at most {MAX_PARTS} parts, got more")
        self._name = ""
        self._text.clear()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], b"")

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            _, options = parse_options_header(value)
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._header = (b"", b"")

    def _headers_finished(self) -> None:
        if not self._name:
            raise _invalid("expected a name in the Content-Disposition of each part, got none")
        if self._name in self._form.fields:
            self._problem("expected this field once, got it twice")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._name != self._file_field:
            room = self._field_limit + 1 - len(self._text)
            self._text += data[start : min(end, start + room)]
        elif self._name not in self._form.fields:
            self._file.write(memoryview(data)[start:end])

    def _part_end(self) -> None:
        if self._name == self._file_field:
            self._form.fields[self._name] = self._target
            return
        if len(self._text) > self._field_limit:
            self._problem(f"expected at most {self._field_limit} bytes, got more")
        try:
            self._form.fields[self._name] = self._text.decode()
        except UnicodeDecodeError as error:
            self._problem(f"expected UTF-8, got another encoding at byte {error.start}")

    def _end(self) -> None:
        self._ended = True

    def _problem(self, message: str) -> None:
        self._form.problems.append(FieldError(self._name[:64], message))


def _invalid(message: str) -> Invalid:
    return Invalid(f"the body is not {MEDIA_TYPE}: {message}", code="invalid_multipart")
