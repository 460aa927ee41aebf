"""Heads of answers that are like one before: there are few different ones in a second."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.infer import RawHeaders, headers_of
from api.request_ids import HEADER


class AnswerHeads:
    """The head of an inference's answer, up to the value of its request's id. All are forgotten
    when uvicorn changes the date in its own headers, once a second."""

    def __init__(self) -> None:
        self._defaults: RawHeaders = []
        self._known: dict[tuple[int, int | None], bytes] = {}

    def of(self, defaults: RawHeaders, length: int, head_length: int | None) -> bytes:
        """`length`: of the body; `head_length`: of its JSON, where binary tensors follow it."""
        if defaults is not self._defaults:
            self._defaults = defaults
            self._known.clear()
        key = length, head_length
        return self._known.get(key) or self._made(key)

    def _made(self, key: tuple[int, int | None]) -> bytes:
        length, head_length = key
        headers = [*self._defaults, *headers_of(head_length), (b"content-length", b"%d" % length)]
        lines = [b"%s: %s\r\n" % header for header in headers]
        made = self._known[key] = b"".join([STATUS_LINE[200], *lines, HEADER, b": "])
        return made
