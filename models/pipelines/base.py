"""What a pipeline is: one frozen description with the function that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from models.data.base import DatasetInfo, DataTask
from models.params import PipelineParams
from models.run import Outcome, RunContext

Task = Literal[
    "regression",
    "binary",
    "multiclass",
    "segmentation",
    "embedding",
    "experiment",
    "diagnostic",
]

Form = Literal["tabular", "images", "sequences"]
"""What the rows of a dataset are to a net: one dimension, three, or as many steps as they have."""


def form_of(info: DatasetInfo) -> Form | None:
    """`arrays` are told by their shape: rows of one dimension are a table, rows of three with one
    or three channels are images. None for what no pipeline reads."""
    if info.kind == "sequences":
        return "sequences"
    match info.shape:
        case (_,):
            return "tabular"
        case (1 | 3, _, _):
            return "images"
        case _:
            return None


@dataclass(frozen=True)
class Accepts:
    """Uploaded datasets that fit a pipeline: rows of this form, with targets of these kinds."""

    form: Form
    tasks: tuple[DataTask, ...]


@dataclass(frozen=True)
class Pipeline:
    """One row of the pipeline table. `run` may import torch; building this must not."""

    name: str
    title: str
    section: str
    """The tutorial's section number, `"7"` or `"10.5"`."""
    task: Task
    params: type[PipelineParams]
    run: Callable[[RunContext, Any], Outcome]
    datasets: tuple[str, ...] = ()
    """Ids of built-in datasets that fit, the default first; empty where it makes its own data."""
    produces_model: bool = True
    uploads: tuple[Accepts, ...] = ()
    """Which uploaded datasets fit; empty where none does."""
    base_param: str | None = None
    """The param that may name a version to start from, as `model@version` or `model@alias`. An
    alias is pinned to its version when the job is submitted; the run finds the version's files in
    `RunContext.base`."""

    @property
    def default_dataset(self) -> str | None:
        return self.datasets[0] if self.datasets else None

    def takes(self, info: DatasetInfo) -> bool:
        """Whether an uploaded dataset fits."""
        form = form_of(info)
        return any(form == one.form and info.task in one.tasks for one in self.uploads)
