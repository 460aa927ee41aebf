"""Small valid uploads of each kind, as bytes."""

from __future__ import annotations

import io
import zipfile
from typing import Any, Literal

import numpy as np
import orjson
from PIL import Image

ROWS = 40
CLASSES = ("ant", "bee", "cat")


def csv_bytes(
    task: Literal["regression", "binary", "multiclass"] = "binary",
    rows: int = ROWS,
    features: int = 2,
    *,
    seed: int = 0,
) -> bytes:
    """Columns `x1`, `x2`, … and the target `y`, which follows from their sum."""
    inputs = np.random.default_rng(seed).standard_normal((rows, features)).round(4)
    total = inputs.sum(axis=1)
    if task == "regression":
        targets: list[Any] = (2 * total + 1).round(4).tolist()
    else:
        count = 2 if task == "binary" else 3
        targets = [CLASSES[code] for code in _ranked(total, count)]
    header = ",".join([*(f"x{number}" for number in range(1, features + 1)), "y"])
    lines = [",".join(map(str, [*row, y])) for row, y in zip(inputs.tolist(), targets, strict=True)]
    return "\n".join([header, *lines, ""]).encode()


def images_bytes(
    rows: int = ROWS,
    classes: tuple[str, ...] = CLASSES,
    *,
    side: int = 12,
    mode: Literal["L", "RGB"] = "L",
    kind: Literal["PNG", "JPEG"] = "PNG",
    seed: int = 0,
) -> bytes:
    """`rows` pictures in folders of `classes` in turn, the brighter the later the class."""
    generator = np.random.default_rng(seed)
    files: dict[str, bytes] = {}
    for row in range(rows):
        code = row % len(classes)
        shape = (side, side) if mode == "L" else (side, side, 3)
        level = 255 * (code + 1) // (len(classes) + 1)
        pixels = (level + generator.integers(-20, 20, shape)).clip(0, 255).astype(np.uint8)
        files[f"{classes[code]}/{row:03}.{kind.lower()}"] = picture_bytes(pixels, kind)
    return zip_bytes(files)


def arrays_bytes(
    shape: tuple[int, ...] = (3,),
    task: Literal["regression", "multiclass"] = "multiclass",
    rows: int = ROWS,
    *,
    seed: int = 0,
) -> bytes:
    """`x` (rows, *shape) in [0, 1) and `y`, which follows from its sum."""
    inputs = np.random.default_rng(seed).random((rows, *shape)).astype(np.float32)
    total = inputs.reshape(rows, -1).sum(axis=1)
    return npz_bytes(x=inputs, y=total if task == "regression" else _ranked(total, 3))


def sequences_bytes(
    rows: int = ROWS, longest: int = 9, features: int = 2, *, seed: int = 0
) -> bytes:
    """Of 1 to `longest` steps, `up` where they go up and `down` where they go down."""
    generator = np.random.default_rng(seed)
    lines: list[bytes] = []
    for row in range(rows):
        steps = generator.random((generator.integers(1, longest + 1), features)).cumsum(axis=0)
        up = row % 2 == 0
        value = {"sequence": (steps if up else -steps).round(4).tolist()}
        lines.append(orjson.dumps({**value, "label": "up" if up else "down"}))
    return b"\n".join([*lines, b""])


def picture_bytes(pixels: np.ndarray[Any, Any], kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def zip_bytes(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return file.getvalue()


def npz_bytes(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _ranked(values: np.ndarray[Any, Any], parts: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The rows by size of their value, in `parts` groups of about one size."""
    return values.argsort().argsort() * parts // len(values)
