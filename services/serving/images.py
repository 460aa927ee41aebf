"""PNG and JPEG to the input of an image model: its channels, its size, its range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import pictures
from models.signature import TensorSpec
from services.errors import Invalid, TooLarge
from services.serving.versions import ServedVersion

MEDIA_TYPES = {"image/png": "PNG", "image/jpeg": "JPEG"}


def parse(body: bytes, media_type: str, served: ServedVersion) -> dict[str, NDArray[Any]]:
    """One row for the model's input. Raises `Invalid` and `TooLarge`.

    The picture is turned as its EXIF orientation says, converted to grey or RGB (transparency is
    dropped), and resized with antialiasing where the model has a fixed size. FP32 gets 0 to 1,
    UINT8 gets 0 to 255.
    """
    spec = _image_spec(served)
    kind = MEDIA_TYPES[media_type]
    try:
        return {spec.name: pixels(body, (kind,), spec)[np.newaxis]}
    except pictures.TooManyPixels as error:
        raise TooLarge(str(error)) from None
    except pictures.Unreadable as error:
        raise Invalid(
            f"the body is not a {kind} image that can be read", code="invalid_image"
        ) from error


def spec_of(served: ServedVersion) -> TensorSpec | None:
    """The input of a model that takes pictures and nothing else; None of any other."""
    specs = served.signature.inputs
    spec = specs[0]
    fits = (
        len(specs) == 1
        and len(spec.row_shape) == 3
        and spec.row_shape[0] in pictures.CHANNELS
        and spec.datatype in {"FP32", "FP64", "FP16", "UINT8"}
    )
    return spec if fits else None


def pixels(body: bytes, formats: Sequence[str], spec: TensorSpec) -> NDArray[Any]:
    """A row of the input. Raises `pictures.TooManyPixels` and `pictures.Unreadable`."""
    channels, height, width = spec.row_shape
    with pictures.decoded(body, formats) as image:
        size = (width if width > 0 else image.width, height if height > 0 else image.height)
        array = pictures.pixels(image, channels, size)
    if spec.datatype == "UINT8":
        return array
    return (array.astype(np.float32) / 255).astype(spec.dtype)


def _image_spec(served: ServedVersion) -> TensorSpec:
    spec = spec_of(served)
    if spec is None:
        first = served.signature.inputs[0]
        raise Invalid(
            f"{served.name} version {served.version} takes no images: its input {first.name!r} is "
            f"{first.datatype} of shape {list(first.shape)}",
            code="invalid_input",
        )
    return spec
