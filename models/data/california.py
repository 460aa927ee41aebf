"""House prices in California's districts: the tutorial's set for regression (section 8).

Kept as the archive that scikit-learn downloads, `cal_housing.tgz`, and read from it directly:
scikit-learn's own cache of it is a pickle.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.data.base import Builtin, Dataset, DatasetInfo
from models.data.download import downloaded
from models.data.splits import tutorial_split
from models.errors import DatasetUnavailable
from models.lazy import lazy
from models.run import Reporter

if TYPE_CHECKING:
    import tarfile
else:
    tarfile = lazy("tarfile")

FILE = "cal_housing.tgz"
MEMBER = "CaliforniaHousing/cal_housing.data"
COLUMNS = 9
"""Longitude, latitude, median age, total rooms, total bedrooms, population, households, median
income, median house value."""

LIMIT = 16_000_000
"""Bytes of the table; the real one has 2 MB."""

FETCH = (
    "import sys; from sklearn.datasets import fetch_file; "
    "from sklearn.datasets._california_housing import ARCHIVE as a; "
    "fetch_file(a.url, sys.argv[1], a.filename, a.checksum)"
)

INFO = DatasetInfo(
    id="california",
    title="California house prices by district (1990), in 100,000 dollars",
    kind="csv",
    source="Pace and Barry (1997), downloaded by scikit-learn (0.5 MB) at first use",
    task="regression",
    bundled=False,
    rows=20_640,
    shape=(8,),
    features=(
        "MedInc",
        "HouseAge",
        "AveRooms",
        "AveBedrms",
        "Population",
        "AveOccup",
        "Latitude",
        "Longitude",
    ),
    target="MedHouseVal",
)


def _available(data_dir: Path) -> bool:
    return (data_dir / FILE).is_file()


def _first(data_dir: Path, rows: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if not _available(data_dir):
        raise _unavailable("California housing is not on this machine yet")
    return _read(data_dir, rows)


def _load(data_dir: Path, report: Reporter) -> Dataset:
    if not _available(data_dir):
        _fetch(data_dir, report)
    inputs, targets = _read(data_dir, None)
    return Dataset(INFO, inputs, targets, *tutorial_split(len(inputs)))


def _fetch(data_dir: Path, report: Reporter) -> None:
    report.log("downloading California housing (0.5 MB)")
    with downloaded(FETCH, data_dir, report) as directory:
        if directory is None or not _available(directory):
            raise _unavailable("California housing could not be downloaded")
        (directory / FILE).replace(data_dir / FILE)
    report.log("California housing is downloaded")


def _unavailable(what: str) -> DatasetUnavailable:
    return DatasetUnavailable(
        f"{what}. Run the job where the worker has internet access, or put {FILE}, as scikit-learn "
        "downloads it, into datasets of the worker's data directory, or choose the dataset "
        "'diabetes', which is bundled"
    )


def _read(data_dir: Path, rows: int | None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """At most the first `rows` districts."""
    damaged = _unavailable(f"the California housing file {FILE} is damaged")
    try:
        table = _table(data_dir / FILE, rows)
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error) as error:
        raise damaged from error
    if table.shape[0] == 0 or table.shape[1] != COLUMNS or not (table[:, 6] > 0).all():
        raise damaged
    inputs, targets = _per_household(table)
    if not (np.isfinite(inputs).all() and np.isfinite(targets).all()):
        raise damaged
    return inputs, targets


def _table(path: Path, rows: int | None) -> NDArray[np.float64]:
    """(districts, COLUMNS), as they stand in the archive; nothing is unpacked to disk."""
    with tarfile.open(path, "r:gz") as archive:
        member = archive.getmember(MEMBER)
        file = archive.extractfile(member)
        if file is None or not 0 < member.size <= LIMIT:
            raise ValueError("no table")
        return np.loadtxt(file, delimiter=",", ndmin=2, max_rows=rows)


def _per_household(
    table: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The file's totals → what `fetch_california_housing` gives: averages per household, and the
    median value in units of 100,000 dollars."""
    longitude, latitude, age, rooms, bedrooms, people, households, income, value = table.T
    columns = (
        income,
        age,
        rooms / households,
        bedrooms / households,
        people,
        people / households,
        latitude,
        longitude,
    )
    inputs = np.stack(columns, axis=1)
    return inputs.astype(np.float32), (value[:, None] / 100_000).astype(np.float32)


DATASET = Builtin(INFO, _load, _first, _available)
