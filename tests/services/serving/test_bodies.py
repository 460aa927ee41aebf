from __future__ import annotations

import gzip
import zlib

import pytest

from services.errors import Invalid, TooLarge
from services.serving.bodies import unpack
from services.serving.errors import Unsupported

PLAIN = b"a body of some length " * 50


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


GZIPPED = gzip.compress(PLAIN, mtime=0)
"""The same at any time: tests are named after it."""


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", GZIPPED),
        (" GZIP ", GZIPPED),
        ("deflate", zlib.compress(PLAIN)),
        ("deflate", raw_deflate(PLAIN)),
        ("identity", PLAIN),
        ("", PLAIN),
    ],
)
def test_what_was_packed_is_unpacked(encoding: str, packed: bytes) -> None:
    assert unpack(packed, encoding, limit=len(PLAIN)) == PLAIN


def test_a_bomb_is_stopped_at_the_limit() -> None:
    with pytest.raises(TooLarge):
        unpack(gzip.compress(bytes(50_000_000)), "gzip", limit=1000)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("body", [b"", b"not packed at all", GZIPPED[:-12]])
def test_a_damaged_stream_is_refused(encoding: str, body: bytes) -> None:
    with pytest.raises(Invalid, match=f"not a whole {encoding} stream"):
        unpack(body, encoding, limit=10_000)


def test_other_encodings_are_not_supported() -> None:
    with pytest.raises(Unsupported, match="got 'br'"):
        unpack(PLAIN, "br", limit=10_000)
