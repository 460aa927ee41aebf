"""Ids that tie a response, the log lines and the job of one request together."""

from __future__ import annotations

import itertools
import re
import secrets

HEADER = b"x-request-id"
GIVEN = re.compile(rb"[A-Za-z0-9._:-]{1,64}")

_prefix = b"req_%s_" % secrets.token_hex(6).encode()
_numbers = itertools.count(1)


def request_id(given: bytes | None) -> bytes:
    """The client's own if it is one that can be echoed and logged, else a new one."""
    if given is not None and GIVEN.fullmatch(given):
        return given
    return new_id()


def new_id() -> bytes:
    return b"%s%x" % (_prefix, next(_numbers))
