"""What a user uploads, checked and turned into a dataset. Torch-free: the API does it.

Nothing is guessed silently: what is not as expected is refused with the line, column, entry or row
where it stands. A new kind is a file here with a `read`, and a line in the table.

csv         a header, numbers, and a column of classes or numbers to predict
images      a zip of class-named folders of PNG and JPEG
arrays      a .npz of `x` (or `inputs`) and `y` (or `targets`), without pickles
sequences   JSON lines of `{"sequence": [[…], …], "label": …}`
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from models.data.base import Dataset, DatasetInfo, DataTask, Kind
from models.data.uploads import arrays, image_folders, profile, sequences, tables
from models.data.uploads.content import Asked, Content
from models.data.uploads.splitting import hold_out
from models.data.uploads.store import load, save
from models.errors import RefusedUpload

__all__ = ["READERS", "Parsed", "RefusedUpload", "load", "parse", "save"]

READERS: dict[Kind, Callable[[Path, Asked], Content]] = {
    "csv": tables.read,
    "images": image_folders.read,
    "arrays": arrays.read,
    "sequences": sequences.read,
}


@dataclass(frozen=True)
class Parsed:
    dataset: Dataset
    profile: dict[str, Any]
    """What it is like, as JSON: rows, shape, classes or the target's figures, digest, and what
    only its kind has (columns, pictures, lengths)."""


def parse(
    file: Path,
    kind: Kind,
    *,
    name: str,
    target: str | None = None,
    task: DataTask | None = None,
    id: str = "",
) -> Parsed:
    """The whole upload in memory, with its fixed split. Raises `RefusedUpload`.

    `target` is the column of a CSV to predict, the last one by default; `task` what to take the
    target for where its values would say otherwise. The digest in the profile is the dataset's and
    covers `id`, so give the one that it will be known by.
    """
    if kind not in READERS:
        raise RefusedUpload(f"expected one of {', '.join(READERS)}, got {kind!r}", "kind")
    if task is not None and task not in get_args(DataTask):
        tasks = ", ".join(get_args(DataTask))
        raise RefusedUpload(f"expected one of {tasks}, got {task!r}", "task")
    if target is not None and kind != "csv":
        raise RefusedUpload(
            f"expected none, because only a CSV has columns, got {target!r}", "target"
        )
    content = READERS[kind](file, Asked(target, task))
    train, test = hold_out(content.target)
    info = DatasetInfo(
        id=id,
        title=name,
        kind=kind,
        source=content.source,
        task=content.target.task,
        bundled=False,
        rows=len(content.inputs),
        shape=content.shape,
        features=content.features,
        target=content.target_name,
        classes=content.target.classes,
    )
    dataset = Dataset(
        info, content.inputs, content.target.values, train, test, lengths=content.lengths
    )
    return Parsed(dataset, {**profile.common(dataset), **content.profile})
