"""What a pipeline is: one frozen description with the function that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

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

    @property
    def default_dataset(self) -> str | None:
        return self.datasets[0] if self.datasets else None
