"""Compressed bodies, unpacked no further than a body may be long."""

from __future__ import annotations

import zlib

from services.errors import Invalid, TooLarge
from services.serving.errors import Unsupported

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def unpack(body: bytes, encoding: str, *, limit: int) -> bytes:
    """The body as it was before `Content-Encoding`. Raises `Invalid`, `TooLarge`, `Unsupported`.

    `deflate` is zlib's format, as the standard says; the bare stream that some clients send
    instead is understood too.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return body
    window = _WINDOW.get(encoding)
    if window is None:
        raise Unsupported(f"expected Content-Encoding gzip or deflate, got {encoding[:32]!r}")
    if encoding == "deflate" and not _is_zlib(body):
        window = -zlib.MAX_WBITS
    unpacker = zlib.decompressobj(window)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise _damaged(encoding) from None
    if len(plain) > limit:
        raise TooLarge(f"expected at most {limit} bytes when unpacked, got more")
    if not unpacker.eof:
        raise _damaged(encoding)
    return plain


def _is_zlib(body: bytes) -> bool:
    return len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _damaged(encoding: str) -> Invalid:
    return Invalid(f"the body is not a whole {encoding} stream", code="invalid_encoding")
