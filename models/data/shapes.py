"""Made-up pictures of circles, rectangles and triangles, with the mask of what is one.

Shapes are brighter or darker than a background that is itself uneven and noisy, so that no
threshold finds them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.base import Builtin, Dataset, DatasetInfo
from models.run import Reporter

SIDE = 32
TRAIN_ROWS = 600
TEST_ROWS = 200
MOST = 3
"""Shapes in a picture, at most."""
NOISE = 0.08
SEED = 42
LEVELS = 255
"""Brightness is in steps of an 8-bit picture, so that one saved as PNG is the row itself."""

INFO = DatasetInfo(
    id="shapes",
    title="Circles, rectangles and triangles on an uneven, noisy background, with their masks",
    kind="images",
    source=f"generated: up to {MOST} shapes a picture, noise {NOISE}, numpy seed {SEED}",
    task="segmentation",
    bundled=True,
    rows=TRAIN_ROWS + TEST_ROWS,
    shape=(1, SIDE, SIDE),
    target="mask",
)

Mask = NDArray[np.bool_]
Picture = NDArray[np.float64]

# Additions, multiplications and square roots only: those round alike on every machine, while a
# sine may not, and the dataset's digest must not change.
_CENTRES = np.arange(SIDE) + 0.5
_Y, _X = _CENTRES[:, None], _CENTRES[None, :]


def _circle(place: Picture, size: float, _generator: np.random.Generator) -> Mask:
    return (_X - place[0]) ** 2 + (_Y - place[1]) ** 2 <= size**2


def _rectangle(place: Picture, size: float, generator: np.random.Generator) -> Mask:
    """Turned by any angle, its shorter side no less than half of the longer one."""
    (across, down), narrow = _direction(generator), generator.uniform(0.5, 1)
    x, y = _X - place[0], _Y - place[1]
    along, beside = x * across + y * down, y * across - x * down
    return (abs(along) <= size) & (abs(beside) <= size * narrow)


def _triangle(place: Picture, size: float, generator: np.random.Generator) -> Mask:
    """Equal sides, their middles at `size` · 0.7 from the centre; turned by any angle."""
    across, down = _direction(generator)
    x, y = _X - place[0], _Y - place[1]
    half, height = 0.5, 0.75**0.5
    inside = np.ones((SIDE, SIDE), np.bool_)
    for cosine, sine in ((1.0, 0.0), (-half, height), (-half, -height)):
        normal = (across * cosine - down * sine, across * sine + down * cosine)
        inside &= x * normal[0] + y * normal[1] <= 0.7 * size
    return inside


def _direction(generator: np.random.Generator) -> tuple[float, float]:
    """A unit vector of any angle."""
    x, y = generator.standard_normal(2)
    length = (x * x + y * y) ** 0.5
    return x / length, y / length


SHAPES = (_circle, _rectangle, _triangle)


def _draw(generator: np.random.Generator) -> tuple[Picture, Mask]:
    """One picture (SIDE, SIDE) in [0, 1] and its mask."""
    across, down = generator.uniform(-0.4, 0.4, 2)
    slope = across * (_X / SIDE - 0.5) + down * (_Y / SIDE - 0.5)
    picture = generator.uniform(0.4, 0.6) + slope
    mask = np.zeros((SIDE, SIDE), np.bool_)
    for _ in range(generator.integers(1, MOST + 1)):
        shape = SHAPES[generator.integers(len(SHAPES))]
        place, size = generator.uniform(5, SIDE - 5, 2), generator.uniform(3.5, 7)
        covered = shape(place, size, generator)
        contrast = generator.uniform(0.2, 0.4) * generator.choice((-1, 1))
        picture = np.where(covered & ~mask, picture + contrast, picture)
        mask |= covered
    picture = picture + NOISE * generator.standard_normal((SIDE, SIDE))
    return np.round(picture.clip(0, 1) * LEVELS) / LEVELS, mask


@cache
def _arrays() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    generator = np.random.default_rng(SEED)
    pictures, masks = zip(*(_draw(generator) for _ in range(INFO.rows)), strict=True)
    return np.stack(pictures)[:, None].astype(np.float32), np.stack(masks)[:, None].astype(
        np.float32
    )


def _first(_data_dir: Path, rows: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
    inputs, targets = _arrays()
    return inputs[:rows], targets[:rows]


def _load(_data_dir: Path, _report: Reporter) -> Dataset:
    inputs, targets = _arrays()
    # The rows are drawn independently, so a split by position is as good as a random one.
    return Dataset(INFO, inputs, targets, np.arange(TRAIN_ROWS), np.arange(TRAIN_ROWS, INFO.rows))


DATASET = Builtin(INFO, _load, _first)
