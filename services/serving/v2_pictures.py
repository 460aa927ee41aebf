"""Encoded pictures in a v2 request, as BYTES in the place of an image model's pixels.

They take their time to decode, so a request holds them as they came until a thread has done it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import pictures
from models.signature import TensorSpec
from services.errors import TooLarge
from services.serving import images, texts
from services.serving.refusals import wrong


def check_shape(spec: TensorSpec, shape: tuple[int, ...]) -> int:
    """→ how many pictures a tensor of BYTES has, one a row. Raises `Invalid`."""
    if len(shape) not in {1, 2} or shape[1:] not in {(), (1,)}:
        raise wrong(
            spec.name, f"expected shape [-1] or [-1, 1] of pictures in BYTES, got {list(shape)}"
        )
    texts.check_count(spec.name, shape[0])
    return shape[0]


@dataclass(frozen=True, slots=True)
class Pictures:
    spec: TensorSpec
    files: Sequence[bytes]
    """PNG or JPEG, a row each."""

    def decode(self) -> dict[str, NDArray[Any]]:
        """The model's input, as `/v1` makes it of one picture; call it in a thread.

        Raises `Invalid` that names the element, and `TooLarge`: together they may have as many
        pixels as one alone.
        """
        rows: list[NDArray[Any]] = []
        left = pictures.MAX_PIXELS
        for index, file in enumerate(self.files):
            try:
                left -= self._pixels_of(file)
                if left < 0:
                    raise TooLarge(f"expected at most {pictures.MAX_PIXELS} pixels, got more")
                rows.append(images.pixels(file, pictures.FORMATS, self.spec))
            except pictures.TooManyPixels as error:
                raise TooLarge(f"{error} in element {index}") from None
            except pictures.Unreadable:
                message = f"expected a PNG or JPEG image, got other bytes in element {index}"
                raise wrong(self.spec.name, message) from None
        return {self.spec.name: self._stacked(rows)}

    def _pixels_of(self, file: bytes) -> int:
        """As they are in the file or, where those are more, as the model has them."""
        _, height, width = self.spec.row_shape
        with pictures.opened(file) as image:
            return max(image.width * image.height, height * width)

    def _stacked(self, rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
        for index, row in enumerate(rows):
            if row.shape != rows[0].shape:  # of a model that takes any size
                raise wrong(
                    self.spec.name,
                    f"expected pictures of one size, {_size(rows[0])} as in element 0, "
                    f"got {_size(row)} in element {index}",
                )
        shape = rows[0].shape if rows else tuple(max(size, 1) for size in self.spec.row_shape)
        return np.array(rows, self.spec.dtype).reshape(len(rows), *shape)


def _size(row: NDArray[Any]) -> str:
    return f"{row.shape[2]} by {row.shape[1]}"
