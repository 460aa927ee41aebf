"""A dataset as one file: numpy's archive without pickles, the description as JSON inside."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from models.data.base import Dataset, DatasetInfo
from models.errors import InvalidData
from models.files import write_atomically

FORMAT = 1
TUPLES = ("shape", "features", "classes")
"""Fields that JSON has as lists."""

_TRUTH = "truth."


def save(dataset: Dataset, file: Path) -> None:
    """Write `file`, whole or not at all. The same dataset gives the same bytes."""
    about = {
        "format": FORMAT,
        "sha256": dataset.sha256,
        "info": dataclasses.asdict(dataset.info),
    }
    arrays: dict[str, NDArray[Any]] = {
        "about": np.frombuffer(orjson.dumps(about), np.uint8),
        "inputs": dataset.inputs,
        "targets": dataset.targets,
        "train": dataset.train,
        "test": dataset.test,
        **{f"{_TRUTH}{name}": value for name, value in dataset.truth.items()},
    }
    if dataset.lengths is not None:
        arrays["lengths"] = dataset.lengths
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_atomically(file, buffer.getvalue())


def load(file: Path) -> Dataset:
    """What `save` wrote. `InvalidData` where it is damaged: every digest in it is checked."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in stored.files}
        about = orjson.loads(arrays.pop("about").tobytes())
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']}")
        dataset = _dataset(about["info"], arrays)
    except Exception as error:  # zip, numpy, JSON and missing names: a dozen kinds
        raise InvalidData("the stored dataset cannot be read: upload it again") from error
    if dataset.sha256 != about["sha256"]:
        raise InvalidData("the stored dataset is not what was stored: upload it again")
    return dataset


def _dataset(info: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Dataset:
    for name in TUPLES:
        info[name] = None if info[name] is None else tuple(info[name])
    return Dataset(
        DatasetInfo(**info),
        arrays["inputs"],
        arrays["targets"],
        arrays["train"],
        arrays["test"],
        truth={
            name.removeprefix(_TRUTH): value
            for name, value in arrays.items()
            if name.startswith(_TRUTH)
        },
        lengths=arrays.get("lengths"),
    )
