"""Ids that tie a response, the log lines and the job of one request together."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Iterator

HEADER = b"x-request-id"
GIVEN = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


def _ids() -> Iterator[bytes]:
    """Mostly by joining two strings, which takes half the time of writing a number."""
    prefix = b"req_%s_" % secrets.token_hex(6).encode()
    endings = [b"%02x" % number for number in range(256)]
    for number in itertools.count(1):
        beginning = b"%s%x" % (prefix, number)
        for ending in endings:
            yield beginning + ending


new_id = _ids().__next__


def request_id(given: bytes | None) -> bytes:
    """The client's own if it is one that can be echoed and logged, else a new one."""
    if given is not None and GIVEN.fullmatch(given):
        return given
    return new_id()
