"""PNG and JPEG to pixels: one way for pictures that are trained on and for those predicted.

Torch-free, and Pillow only at first use: the API reads requests and uploads with it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.lazy import lazy

if TYPE_CHECKING:
    from PIL import Image, ImageOps
else:
    Image = lazy("PIL.Image")
    ImageOps = lazy("PIL.ImageOps")

FORMATS = ("PNG", "JPEG")
MAX_PIXELS = 50_000_000
"""A small file can unfold to any size: it is refused before it is decoded."""

CHANNELS = {1: "L", 3: "RGB"}
"""Pillow's names for what a model can take."""

_ORIENTATION = 0x0112
_LYING = frozenset({5, 6, 7, 8})
"""Orientations of EXIF that swap width and height."""


class TooManyPixels(ValueError):
    """Says the limit and what came."""


class Unreadable(ValueError):
    """Not a picture of these formats, or a damaged one."""


def opened(body: bytes, formats: Sequence[str] = FORMATS) -> Image.Image:
    """A picture whose size and mode are known, not decoded yet.

    Raises `TooManyPixels` and `Unreadable`.
    """
    try:
        image = Image.open(io.BytesIO(body), formats=list(formats))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # Pillow's own limits
        raise _too_many("far more") from None
    except Exception as error:  # a damaged file makes the decoders raise a dozen kinds
        raise Unreadable("it cannot be read") from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_many(f"{image.width} by {image.height}")
    return image


def decoded(body: bytes, formats: Sequence[str] = FORMATS) -> Image.Image:
    """The whole picture, turned as its EXIF orientation says.

    Raises `TooManyPixels` and `Unreadable`.
    """
    image = opened(body, formats)
    try:
        image.load()
        return ImageOps.exif_transpose(image)
    except Exception as error:  # as above
        raise Unreadable("it cannot be read") from error


def shown_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as `decoded` will have them, of a picture that is only opened."""
    if "exif" not in image.info:  # asking a PNG nevertheless would decode it
        return image.size
    try:
        lying = image.getexif().get(_ORIENTATION) in _LYING
    except Exception as error:  # as above
        raise Unreadable("it cannot be read") from error
    return (image.height, image.width) if lying else image.size


def is_grey(image: Image.Image) -> bool:
    """Of one bit, eight or sixteen, with transparency or without."""
    return image.mode in {"1", "L", "LA"} or image.mode.startswith("I")


def pixels(
    image: Image.Image, channels: int, size: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """→ (channels, height, width), 0 to 255.

    Converted to grey or RGB (transparency is dropped), and resized with antialiasing to `size`
    (width, height), where it has another.
    """
    if image.mode == "P":  # from palettes with transparency Pillow warns of any other way
        image = image.convert("RGBA")
    image = _eight_bit(image).convert(CHANNELS[channels])
    if size is not None and size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    array: NDArray[Any] = np.asarray(image)
    array = array[np.newaxis] if array.ndim == 2 else array.transpose(2, 0, 1)
    return np.ascontiguousarray(array)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Sixteen-bit grey scaled down; Pillow's own conversion would cut it off at 255."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))


def _too_many(got: str) -> TooManyPixels:
    return TooManyPixels(f"expected at most {MAX_PIXELS} pixels, got {got}")
