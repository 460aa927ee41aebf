"""PNG and JPEG to the input of an image model: its channels, its size, its range."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.lazy import lazy
from models.signature import TensorSpec
from services.errors import Invalid, TooLarge
from services.serving.versions import ServedVersion

if TYPE_CHECKING:
    from PIL import Image, ImageOps
else:
    Image = lazy("PIL.Image")
    ImageOps = lazy("PIL.ImageOps")

MEDIA_TYPES = {"image/png": "PNG", "image/jpeg": "JPEG"}
MAX_PIXELS = 50_000_000
"""A small file can unfold to any size: it is refused before it is decoded."""

_MODES = {1: "L", 3: "RGB"}


def parse(body: bytes, media_type: str, served: ServedVersion) -> dict[str, NDArray[Any]]:
    """One row for the model's input. Raises `Invalid` and `TooLarge`.

    The picture is turned as its EXIF orientation says, converted to grey or RGB (transparency is
    dropped), and resized with antialiasing where the model has a fixed size. FP32 gets 0 to 1,
    UINT8 gets 0 to 255.
    """
    spec = _image_spec(served)
    with _opened(body, MEDIA_TYPES[media_type]) as image:
        pixels = _pixels(image, spec)
    return {spec.name: pixels[np.newaxis]}


def _image_spec(served: ServedVersion) -> TensorSpec:
    specs = served.signature.inputs
    spec = specs[0]
    fits = (
        len(specs) == 1
        and len(spec.row_shape) == 3
        and spec.row_shape[0] in _MODES
        and spec.datatype in {"FP32", "FP64", "FP16", "UINT8"}
    )
    if not fits:
        raise Invalid(
            f"{served.name} version {served.version} takes no images: its input {spec.name!r} is "
            f"{spec.datatype} of shape {list(spec.shape)}",
            code="invalid_input",
        )
    return spec


def _opened(body: bytes, kind: str) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(body), formats=[kind])
        if image.width * image.height > MAX_PIXELS:
            raise _too_large(f"{image.width} by {image.height}")
        image.load()
        return ImageOps.exif_transpose(image)
    except TooLarge:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # Pillow's own limits
        raise _too_large("far more") from None
    except Exception as error:  # a damaged file makes the decoders raise a dozen kinds
        raise Invalid(
            f"the body is not a {kind} image that can be read", code="invalid_image"
        ) from error


def _too_large(got: str) -> TooLarge:
    return TooLarge(f"expected at most {MAX_PIXELS} pixels, got {got}")


def _pixels(image: Image.Image, spec: TensorSpec) -> NDArray[Any]:
    channels, height, width = spec.row_shape
    image = _eight_bit(image).convert(_MODES[channels])
    size = (width if width > 0 else image.width, height if height > 0 else image.height)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    pixels = pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    if spec.datatype == "UINT8":
        return np.ascontiguousarray(pixels)
    return (pixels.astype(np.float32) / 255).astype(spec.dtype)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Sixteen-bit grey scaled down; Pillow's own conversion would cut it off at 255."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
