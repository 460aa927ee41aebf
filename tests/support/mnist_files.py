"""Small files of MNIST and its likes, in the format of the real ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def write_mnist(
    directory: Path, *, name: str = "MNIST", zipped: bool = False
) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    raw = directory / name / "raw"
    raw.mkdir(parents=True)
    arrays: dict[str, np.ndarray] = {}
    for part, rows in (("train", 60), ("t10k", 20)):
        arrays[f"{part}-images-idx3-ubyte"] = generator.integers(0, 256, (rows, 28, 28), np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = np.arange(rows, dtype=np.uint8) % 10
    for file, array in arrays.items():
        if zipped:
            (raw / f"{file}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (raw / file).write_bytes(idx(array))
    return arrays
