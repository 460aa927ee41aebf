"""Compressed bodies: unpacked no further than a body may be long, packed for those who ask."""

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


def wanted_encoding(accept: str | None) -> str | None:
    """`gzip` or `deflate` where `Accept-Encoding` asks for it, None for an answer as it is.

    A client asks by naming one coding, as tritonclient does, or by weights. A list without is what
    HTTP libraries send of themselves: they can read it, but an answer would be late for nothing.
    """
    if accept is None:
        return None
    named = [_weighted(item) for item in accept.lower().split(",")]
    codings = [name for name, _ in named if name != "identity"]
    if len(codings) != 1 and ";" not in accept:
        return None
    asked = [(weight, name) for name, weight in named if name in _WINDOW and weight > 0]
    return max(asked, key=lambda one: one[0])[1] if asked else None


def pack(body: bytes, encoding: str) -> bytes:
    """The body in one of the two codings; quickly rather than small."""
    packer = zlib.compressobj(level=1, wbits=_WINDOW[encoding])
    return packer.compress(body) + packer.flush()


def _weighted(item: str) -> tuple[str, float]:
    """A coding of `Accept-Encoding` and its weight, 0 if that is no number."""
    name, _, parameter = item.partition(";")
    key, _, value = parameter.partition("=")
    if key.strip() != "q":
        return name.strip(), 1.0
    try:
        return name.strip(), float(value[:8])
    except ValueError:
        return name.strip(), 0.0


def _is_zlib(body: bytes) -> bool:
    return len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _damaged(encoding: str) -> Invalid:
    return Invalid(f"the body is not a whole {encoding} stream", code="invalid_encoding")
