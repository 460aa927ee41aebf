"""A PNG writer of a few lines, so that a client needs no imaging library.

Format: PNG (Portable Network Graphics) Specification, third edition, sections 5 and 11.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAYSCALE = 0


def grayscale_png(pixels: Sequence[Sequence[int]]) -> bytes:
    """Rows of pixels, 0 (black) to 255, as a PNG of 8 bits a pixel."""
    height, width = len(pixels), len(pixels[0])
    header = struct.pack(">IIBBBBB", width, height, 8, GRAYSCALE, 0, 0, 0)
    lines = b"".join(b"\0" + bytes(row) for row in pixels)  # 0: the line is not filtered
    return (
        SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(lines))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
