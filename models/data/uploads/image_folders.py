"""Zips of pictures in folders that are named for their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import pictures
from models.data.uploads import archives, profile
from models.data.uploads.archives import Archive
from models.data.uploads.content import Asked, Content, check_size
from models.data.uploads.targets import Place, from_names
from models.errors import RefusedUpload

SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_ENTRY_BYTES = 64 << 20
MAX_TOTAL_PIXELS = 2_000_000_000
"""Of all pictures together: each is decoded, and a picture of one colour costs no bytes."""

KEPT_SIDE = 224
"""Pictures of one size keep it up to here, the size that networks for ImageNet take."""

RESIZED_SIDE = 64
"""What other pictures become at most: one size for all, small enough to learn on two cores."""


@dataclass(frozen=True)
class _Seen:
    """What a picture's header says."""

    size: tuple[int, int]
    """Width and height."""
    grey: bool


def read(file: Path, asked: Asked) -> Content:
    with archives.opened(file) as archive:
        labels = _labels(archive.names)
        target = from_names(list(labels.values()), asked.task, Place("the folders"))
        seen = _survey(archive, labels)
        size, channels = _common_size(seen), 1 if all(each.grey for each in seen) else 3
        shape = (len(labels), channels, size[1], size[0])
        check_size(shape, "upload fewer or smaller pictures")
        inputs = np.empty(shape, np.float32)
        for row, name in enumerate(labels):
            inputs[row] = _pixels(archive, name, channels, size)
    inputs /= 255
    return Content("uploaded pictures", inputs, target, "label", _profile(seen, size, inputs))


def _labels(names: Sequence[str]) -> dict[str, str]:
    """→ each picture's path, and the folder that it is in."""
    paths = {name: name.split("/") for name in names}
    paths = {name: parts for name, parts in paths.items() if not _is_litter(parts)}
    if not paths:
        raise RefusedUpload("expected pictures in folders named for their classes, got none")
    tops = {parts[0] for parts in paths.values()}
    depth = 3 if len(tops) == 1 and any(len(parts) > 2 for parts in paths.values()) else 2
    for name, parts in paths.items():
        if not name.lower().endswith(SUFFIXES):
            raise archives.refusal(name, f"expected a picture ({', '.join(SUFFIXES)}), got another")
        if len(parts) != depth:
            raise archives.refusal(
                name,
                "expected class/picture, in all of them or below one common folder, got "
                f"{len(parts) - 1} folders",
            )
    return {name: parts[-2] for name, parts in paths.items()}


def _is_litter(parts: Sequence[str]) -> bool:
    """What operating systems leave in folders: `.DS_Store`, `__MACOSX`."""
    return parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts)


def _survey(archive: Archive, names: Sequence[str] | dict[str, str]) -> list[_Seen]:
    """Sizes and channels of all, before any of them is decoded."""
    seen: list[_Seen] = []
    total = 0
    for name in names:
        try:
            with pictures.opened(bytes(archive.read(name, MAX_ENTRY_BYTES))) as image:
                seen.append(_Seen(pictures.shown_size(image), pictures.is_grey(image)))
                total += image.width * image.height
        except (pictures.TooManyPixels, pictures.Unreadable) as error:
            raise _damaged(name, error) from error
        if total > MAX_TOTAL_PIXELS:
            raise archives.refusal(
                name, f"expected at most {MAX_TOTAL_PIXELS} pixels up to here, got {total}"
            )
    return seen


def _common_size(seen: Sequence[_Seen]) -> tuple[int, int]:
    """Theirs, if it is one and not large; otherwise a square."""
    sizes = {each.size for each in seen}
    if len(sizes) == 1 and max(max(sizes)) <= KEPT_SIDE:
        return sizes.pop()
    side = min(RESIZED_SIDE, median_low(min(each.size) for each in seen))
    return side, side


def _pixels(archive: Archive, name: str, channels: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    try:
        with pictures.decoded(bytes(archive.read(name, MAX_ENTRY_BYTES))) as image:
            return pictures.pixels(image, channels, size)
    except (pictures.TooManyPixels, pictures.Unreadable) as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> RefusedUpload:
    if isinstance(error, pictures.TooManyPixels):
        return archives.refusal(name, str(error))
    return archives.refusal(name, "expected a PNG or JPEG picture, got one that cannot be read")


def _profile(
    seen: Sequence[_Seen], size: tuple[int, int], inputs: NDArray[np.float32]
) -> dict[str, Any]:
    widths, heights = zip(*(each.size for each in seen), strict=True)
    return {
        "pictures": {
            "widths": [min(widths), max(widths)],
            "heights": [min(heights), max(heights)],
            "grey": sum(each.grey for each in seen),
            "resized": sum(each.size != size for each in seen),
        },
        "channels": [profile.numbers(inputs[:, channel]) for channel in range(inputs.shape[1])],
    }
