"""What can be trained on: built in, or uploaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from torchkiln.client.transport import Transport, path
from torchkiln.errors import TorchkilnError
from torchkiln.types import Dataset, DatasetKind, DatasetPreview

KINDS: dict[str, DatasetKind] = {
    ".csv": "csv",
    ".zip": "images",
    ".npz": "arrays",
    ".jsonl": "sequences",
}
"""What a file is by its suffix, where its uploader does not say."""


class Datasets:
    """`client.datasets`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int | None = None, after: str | None = None) -> list[Dataset]:
        """The built-in ones in a fixed order, then uploads, newest first."""
        found = self._transport.get("/v1/datasets", limit=limit, after=after)
        return cast(list[Dataset], found["data"])

    def get(self, dataset_id: str) -> Dataset:
        """One dataset; an upload's `profile` tells columns, ranges and class counts."""
        return cast(Dataset, self._transport.get(path("v1", "datasets", dataset_id)))

    def preview(self, dataset_id: str, *, rows: int | None = None) -> DatasetPreview:
        """The first rows. Raises `Conflict` where the data are not on the service's host."""
        url = path("v1", "datasets", dataset_id, "preview")
        return cast(DatasetPreview, self._transport.get(url, rows=rows))

    def upload(
        self,
        file: Path,
        *,
        name: str | None = None,
        kind: DatasetKind | None = None,
        target: str | None = None,
        task: str | None = None,
    ) -> Dataset:
        """Upload a dataset. → it, checked and profiled.

        `kind` is told by the suffix if not given: .csv, .zip of class-named folders of pictures,
        .npz of `x` and `y`, .jsonl of sequences. `target` is the column of a CSV to predict, the
        last one by default. Raises `Invalid` that names the line, column or entry at fault.
        """
        kind = kind or KINDS.get(file.suffix.lower())
        if kind is None:
            raise TorchkilnError(
                f"{file.name}: expected one of {', '.join(KINDS)}, or a kind, got neither"
            )
        fields = {"name": name or _name_of(file), "kind": kind, "target": target, "task": task}
        given = {key: value for key, value in fields.items() if value is not None}
        with file.open("rb") as stream:
            answer = self._transport.send(
                "POST", "/v1/datasets", data=given, files={"file": (file.name, stream)}
            )
        return cast(Dataset, answer)

    def delete(self, dataset_id: str) -> None:
        """Delete an upload. Raises `Conflict` while a job that has not ended uses it."""
        self._transport.send("DELETE", path("v1", "datasets", dataset_id))


def _name_of(file: Path) -> str:
    """A name that the service takes, made of the file's own."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).lstrip("._-")[:64] or "dataset"
