from __future__ import annotations

import gzip
import zlib

import pytest

from services.errors import Invalid, TooLarge
from services.serving.bodies import pack, unpack, wanted_encoding
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


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        (None, None),
        ("gzip", "gzip"),
        ("Deflate", "deflate"),
        ("gzip, identity", "gzip"),
        ("gzip;q=0.5, deflate;q=0.75", "deflate"),
        ("br;q=1.0, gzip;q=0.5", "gzip"),
        ("gzip, deflate", None),
        ("gzip, deflate, br", None),
        ("gzip;q=0", None),
        ("gzip;q=x", None),
        ("br", None),
        ("identity", None),
        ("*", None),
        ("", None),
        (";q=,,;;q=1e999999999", None),
    ],
)
def test_an_answer_is_packed_for_who_asks_and_not_for_who_only_could(
    accept: str | None, encoding: str | None
) -> None:
    assert wanted_encoding(accept) == encoding


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_is_packed_can_be_unpacked(encoding: str) -> None:
    packed = pack(PLAIN, encoding)
    assert len(packed) < len(PLAIN)
    assert unpack(packed, encoding, limit=len(PLAIN)) == PLAIN
