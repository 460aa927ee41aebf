"""The two sides of a pipeline's run: what it is given, and whom it reports to.

Torch-free, because the worker's supervisor and the API import it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from models.checkpoints import SavedCheckpoint
    from models.parallel.distributed import Ranks
    from models.publishing import TrainedModel

Level = Literal["debug", "info", "warning", "error"]


class Reporter(Protocol):
    """Where a run tells how it goes. Implemented by the trainer process and by tests."""

    def progress(self, *, epoch: int, epochs: int, step: int, steps: int, samples: int = 0) -> None:
        """`epoch` of `epochs` finished, `step` of `steps` optimizer steps taken, from 0; `samples`:
        training rows that those since the last call were taken on, where that is known."""
        ...

    def metrics(self, values: Mapping[str, float], *, epoch: int, step: int) -> None:
        """The figures of one epoch, by name (`train_loss`, `test_accuracy`, …)."""
        ...

    def log(self, message: str, *, level: Level = "info", **data: Any) -> None: ...

    def resumed(self, *, exact: bool, differences: Mapping[str, Any]) -> None:
        """Once, by a run that goes on from a checkpoint: whether it will end with the bits of one
        that was never interrupted, and what is other than when the checkpoint was made."""
        ...

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        """A checkpoint is on disk, whole and synced."""
        ...

    def artifact(self, file: Path, *, name: str, title: str, media_type: str) -> None:
        """A file that the user may fetch; `file` is in the run's `workdir`."""
        ...

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[None]:
        """For the length of a part of the run that takes its time, such as an `epoch`: a span in
        the job's trace, where it has one."""
        ...

    def interrupted(self) -> str | None:
        """Why the run should stop now (`cancel`, `pause`, `release`, `timeout`), or None, also
        after a reason that was taken back. Cheap; asked every step."""
        ...


@dataclass(frozen=True)
class RunContext:
    """Everything a run may depend on besides its params."""

    seed: int
    device: str
    """A torch device string that exists here: `cpu`, `cuda:0`."""
    dataset: str | None
    """The dataset's id, resolved to the pipeline's default; None where the pipeline has none."""
    workdir: Path
    """The attempt's own directory: checkpoints/, artifacts/ and version/ are made in it."""
    data_dir: Path
    """Where downloaded datasets are kept, shared by all jobs of the host."""
    report: Reporter
    resume: Path | None = None
    """A checkpoint file to continue from."""
    dataset_file: Path | None = None
    """Where an uploaded dataset is kept; None where `dataset` is a built-in one."""
    base: Path | None = None
    """The files of the version that the pipeline's `base_param` names; None where it names none."""
    max_steps: int | None = None
    """The optimizer step at which training ends as if its epochs were over; None does not."""
    ranks: Ranks | None = None
    """The processes that train together, this one among them; None where it is the only one."""

    @property
    def leads(self) -> bool:
        """Whether this process is the one that saves, draws and publishes."""
        return self.ranks is None or self.ranks.leads

    def one_by_one(self) -> AbstractContextManager[None]:
        """For what may have to be downloaded: rank 0 is the first, so that the others find it."""
        return nullcontext() if self.ranks is None else self.ranks.one_by_one()


@dataclass
class Outcome:
    """What a run ends with."""

    results: dict[str, Any] = field(default_factory=dict[str, Any])
    """Final figures for the job's `results`; JSON-ready, finite numbers only."""
    model: TrainedModel | None = None
    """What to export, certify and publish; None for experiments and diagnostics."""
    lineage: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the version's lineage should tell besides the job's own fields: `dataset_sha256`."""
