"""The first rows of a stored dataset, without reading the rest of what may be half a gigabyte."""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from models.data.base import DatasetInfo
from models.data.previews import preview_of
from models.errors import InvalidData


def preview(file: Path, info: DatasetInfo, rows: int) -> dict[str, Any]:
    """As `models.data.preview`, of what `store.save` wrote. `InvalidData` where it is damaged."""
    try:
        with zipfile.ZipFile(file) as stored:
            inputs, targets = _head(stored, "inputs", rows), _head(stored, "targets", rows)
            has_lengths = "lengths.npy" in stored.namelist()
            lengths = _head(stored, "lengths", rows) if has_lengths else None
        return preview_of(info, inputs, targets, lengths)
    except Exception as error:  # zip, numpy and missing names: a dozen kinds
        raise InvalidData("the stored dataset cannot be read: upload it again") from error


def _head(stored: zipfile.ZipFile, name: str, rows: int) -> NDArray[Any]:
    """The first `rows` of an array of the archive."""
    with stored.open(f"{name}.npy") as stream:
        shape, fortran, dtype = _header(stream)
        count = min(rows, shape[0])
        if fortran and len(shape) > 1:  # its rows are scattered over the file
            columns = np.frombuffer(stream.read(), dtype).reshape(shape[::-1])
            return columns.T[:count]
        data = stream.read(count * prod(shape[1:]) * dtype.itemsize)
        return np.frombuffer(data, dtype).reshape(count, *shape[1:])


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return read(stream)
