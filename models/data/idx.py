"""MNIST and its likes: 28x28 grey pictures in four IDX files, fetched by torchvision.

Read without torch, because the API previews them.
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
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
FETCH = "from torchvision.datasets import {name}; import sys; {name}(sys.argv[1], download=True)"

Part = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class IdxPictures:
    """One dataset in this format."""

    info: DatasetInfo
    name: str
    """Torchvision's class."""
    size: str
    """Of the download, for a person."""

    @property
    def raw(self) -> Path:
        """Torchvision's place for the files under its root, which is the data directory."""
        return Path(self.name, "raw")

    def builtin(self) -> Builtin:
        return Builtin(self.info, self.load, self.first, self.available)

    def available(self, data_dir: Path) -> bool:
        return all(_find(data_dir / self.raw, name) for pair in FILES.values() for name in pair)

    def first(self, data_dir: Path, rows: int) -> Part:
        if not self.available(data_dir):
            raise self._unavailable(f"{self.name} is not on this machine yet")
        return self._read_part(data_dir, "train", rows)

    def load(self, data_dir: Path, report: Reporter) -> Dataset:
        if not self.available(data_dir):
            self._fetch(data_dir, report)
        train, test = (self._read_part(data_dir, part, None) for part in FILES)
        return Dataset(
            self.info,
            np.concatenate([train[0], test[0]]),
            np.concatenate([train[1], test[1]]),
            np.arange(len(train[1])),
            np.arange(len(train[1]), len(train[1]) + len(test[1])),
        )

    def _fetch(self, data_dir: Path, report: Reporter) -> None:
        report.log(f"downloading {self.name} ({self.size})")
        with downloaded(FETCH.format(name=self.name), data_dir, report) as directory:
            if directory is None or not self.available(directory):
                raise self._unavailable(f"{self.name} could not be downloaded")
            (data_dir / self.raw).mkdir(parents=True, exist_ok=True)
            for pair in FILES.values():
                for name in pair:
                    (directory / self.raw / name).replace(data_dir / self.raw / name)
        report.log(f"{self.name} is downloaded")

    def _unavailable(self, what: str) -> DatasetUnavailable:
        names = ", ".join(name for pair in FILES.values() for name in pair)
        return DatasetUnavailable(
            f"{what}. Run the job where the worker has internet access, or put its four files "
            f"({names}; plain or .gz) into datasets/{self.raw} of the worker's data directory, "
            "or choose the dataset 'digits', which is bundled"
        )

    def _read_part(self, data_dir: Path, part: str, rows: int | None) -> Part:
        images, labels = (self._read_idx(data_dir, name, rows) for name in FILES[part])
        if images.shape[1:] != self.info.shape[1:] or labels.shape != images.shape[:1]:
            raise self._unavailable(f"the {self.name} files ({part}) do not belong together")
        if labels.size and labels.max() >= len(self.info.classes or ()):
            raise self._unavailable(f"the {self.name} labels ({part}) are not its classes")
        return images[:, None].astype(np.float32) / np.float32(255), labels.astype(np.int64)

    def _read_idx(self, data_dir: Path, name: str, rows: int | None) -> NDArray[np.uint8]:
        """An IDX file of bytes: two zeros, 8 for uint8, the number of dimensions, each as a
        big-endian int32, then the values. At most the first `rows` rows."""
        damaged = self._unavailable(f"the {self.name} file {name} is damaged")
        path = _find(data_dir / self.raw, name) or data_dir / self.raw / name
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


def _find(directory: Path, name: str) -> Path | None:
    """The file as it is or gzipped."""
    candidates = (directory / name, directory / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)
