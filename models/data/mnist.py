"""MNIST as its four files in `MNIST/raw`, fetched by torchvision where there is a network.

Read without torch, because the API previews it.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.base import Builtin, Dataset, DatasetInfo
from models.data.download import downloaded
from models.errors import DatasetUnavailable
from models.run import Reporter

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
RAW = Path("MNIST", "raw")
"""Torchvision's place for them under its root, which is the data directory."""

FETCH = "from torchvision.datasets import MNIST; import sys; MNIST(sys.argv[1], download=True)"

INFO = DatasetInfo(
    id="mnist",
    title="MNIST handwritten digits",
    kind="images",
    source="LeCun, Cortes and Burges: MNIST, downloaded by torchvision (11 MB) at first use",
    task="multiclass",
    bundled=False,
    rows=70_000,
    shape=(1, 28, 28),
    classes=tuple("0123456789"),
)


def _available(data_dir: Path) -> bool:
    return all(_find(data_dir / RAW, name) for pair in FILES.values() for name in pair)


def _find(directory: Path, name: str) -> Path | None:
    """The file as it is or gzipped."""
    candidates = (directory / name, directory / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _first(data_dir: Path, rows: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if not _available(data_dir):
        raise DatasetUnavailable(_advice("MNIST is not on this machine yet"))
    return _read_part(data_dir, "train", rows)


def _load(data_dir: Path, report: Reporter) -> Dataset:
    if not _available(data_dir):
        _fetch(data_dir, report)
    train, test = (_read_part(data_dir, part, None) for part in FILES)
    return Dataset(
        INFO,
        np.concatenate([train[0], test[0]]),
        np.concatenate([train[1], test[1]]),
        np.arange(len(train[1])),
        np.arange(len(train[1]), len(train[1]) + len(test[1])),
    )


def _fetch(data_dir: Path, report: Reporter) -> None:
    report.log("downloading MNIST (11 MB)")
    with downloaded(FETCH, data_dir, report) as directory:
        if directory is None or not _available(directory):
            raise DatasetUnavailable(_advice("MNIST could not be downloaded"))
        (data_dir / RAW).mkdir(parents=True, exist_ok=True)
        for pair in FILES.values():
            for name in pair:
                (directory / RAW / name).replace(data_dir / RAW / name)
    report.log("MNIST is downloaded")


def _advice(what: str) -> str:
    names = ", ".join(name for pair in FILES.values() for name in pair)
    return (
        f"{what}. Run the job where the worker has internet access, or put its four files "
        f"({names}; plain or .gz) into datasets/{RAW} of the worker's data directory, "
        "or choose the dataset 'digits', which is bundled"
    )


def _read_part(
    data_dir: Path, part: str, rows: int | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    images, labels = (_read_idx(data_dir / RAW, name, rows) for name in FILES[part])
    if images.shape[1:] != INFO.shape[1:] or labels.shape != images.shape[:1]:
        raise DatasetUnavailable(_advice(f"the MNIST files ({part}) do not belong together"))
    if labels.size and labels.max() > 9:
        raise DatasetUnavailable(_advice(f"the MNIST labels ({part}) are not digits"))
    return images[:, None].astype(np.float32) / np.float32(255), labels.astype(np.int64)


def _read_idx(directory: Path, name: str, rows: int | None) -> NDArray[np.uint8]:
    """An IDX file of bytes: two zeros, 8 for uint8, the number of dimensions, each as a big-endian
    int32, then the values. At most the first `rows` rows."""
    damaged = DatasetUnavailable(_advice(f"the MNIST file {name} is damaged"))
    path = _find(directory, name) or directory / name
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            magic = file.read(4)
            if magic[:3] != b"\0\0\x08":
                raise damaged
            shape = np.frombuffer(file.read(4 * magic[3]), ">i4").astype(int).tolist()
            if rows is not None:
                shape[0] = min(rows, shape[0])
            data = file.read(math.prod(shape))
            return np.frombuffer(data, np.uint8).reshape(shape)
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        raise damaged from error


DATASET = Builtin(INFO, _load, _first, _available)
