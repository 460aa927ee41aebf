"""Heads of answers that are like one before: there are few different ones in a second."""

from __future__ import annotations

from api.infer import RawHeaders, headers_of
from api.lean_uvicorn import STATUS_LINE
from api.request_ids import HEADER


class AnswerHeads(dict[tuple[int, int | None], bytes]):
    """The head of an inference's answer, up to the value of its request's id, by the lengths of the
    body and of its JSON, where binary tensors follow it.

    A dictionary that writes what it lacks, so that to find what it has is no call in Python.
    """

    def __init__(self) -> None:
        super().__init__()
        self.defaults: RawHeaders = []
        """uvicorn's own headers. It makes them anew once a second, with another date."""

    def renew(self, defaults: RawHeaders) -> None:
        self.defaults = defaults
        self.clear()

    def __missing__(self, key: tuple[int, int | None]) -> bytes:
        length, head_length = key
        headers = [*self.defaults, *headers_of(head_length), (b"content-length", b"%d" % length)]
        lines = [b"%s: %s\r\n" % header for header in headers]
        made = self[key] = b"".join([STATUS_LINE[200], *lines, HEADER, b": "])
        return made
