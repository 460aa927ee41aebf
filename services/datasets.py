"""Datasets that jobs can name. So far the built-in ones; they live in `models.data`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models import data
from models.data import DatasetInfo
from services.errors import NotFound


class Datasets:
    def __init__(self, downloads_dir: Path) -> None:
        self._downloads = downloads_dir

    def list(self) -> Sequence[DatasetInfo]:
        return tuple(data.BUILTIN.values())

    def exists(self, dataset_id: str) -> bool:
        return dataset_id in data.BUILTIN

    def get(self, dataset_id: str) -> DatasetInfo:
        try:
            return data.BUILTIN[dataset_id]
        except KeyError:
            raise NotFound(
                f"no dataset has the id {dataset_id}", code="dataset_not_found"
            ) from None

    def available(self, dataset_id: str) -> bool:
        """Whether a job could use it now, without a network."""
        return data.available(self.get(dataset_id).id, self._downloads)

    def preview(self, dataset_id: str, *, rows: int = 10) -> dict[str, Any]:
        """The first rows. Raises `models.errors.DatasetUnavailable`."""
        return data.preview(self.get(dataset_id).id, self._downloads, rows=rows)
