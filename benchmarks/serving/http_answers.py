"""Just enough of HTTP/1.1 to know when an answer is whole."""

from __future__ import annotations

import re

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
END, LAST_CHUNK = b"\r\n\r\n", b"\r\n0\r\n\r\n"


class Refused(Exception):
    """An answer that is none."""


def is_whole(received: bytes) -> bool:
    """Whether `received`, from the first byte of an answer, has its last. Raises `Refused` for a
    status other than 200, and for a body of unknown length."""
    end = received.find(END)
    if end < 0:
        return False
    if received[9:12] != b"200":
        raise Refused(f"expected status 200, got {received[9:12].decode('latin-1')}")
    length = LENGTH.search(received, 0, end)
    if length:
        return len(received) >= end + len(END) + int(length[1])
    if CHUNKED.search(received, 0, end):
        return received.endswith(LAST_CHUNK)
    raise Refused("expected a content-length or chunks, got neither")
