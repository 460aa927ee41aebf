"""Runs of pipelines and of the training loop, with a reporter that remembers and interrupts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.checkpoints import SavedCheckpoint
from models.pipelines import PIPELINES
from models.run import Outcome, RunContext


@dataclass
class Recorder:
    """A `Reporter` that keeps what it is told, and interrupts when asked for the nth time."""

    interrupt_at: int | None = None
    reason: str = "pause"
    asked: int = 0
    samples: int = 0
    steps: list[dict[str, int]] = field(default_factory=list[dict[str, int]])
    history: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    logs: list[str] = field(default_factory=list[str])
    exact: list[bool] = field(default_factory=list[bool])
    differences: dict[str, Any] = field(default_factory=dict[str, Any])
    checkpoints: list[SavedCheckpoint] = field(default_factory=list[SavedCheckpoint])
    spans: list[tuple[str, dict[str, Any]]] = field(
        default_factory=list[tuple[str, dict[str, Any]]]
    )
    artifacts: dict[str, tuple[Path, str]] = field(default_factory=dict[str, tuple[Path, str]])

    def progress(self, *, epoch: int, epochs: int, step: int, steps: int, samples: int = 0) -> None:
        self.samples += samples
        self.steps.append({"epoch": epoch, "epochs": epochs, "step": step, "steps": steps})

    def metrics(self, values: Mapping[str, float], *, epoch: int, step: int) -> None:
        self.history.append(dict(values))

    def log(self, message: str, *, level: str = "info", **data: Any) -> None:
        self.logs.append(message)

    def resumed(self, *, exact: bool, differences: Mapping[str, Any]) -> None:
        self.exact.append(exact)
        self.differences = dict(differences)

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        self.checkpoints.append(saved)

    def artifact(self, file: Path, *, name: str, title: str, media_type: str) -> None:
        self.artifacts[name] = (file, media_type)

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[None]:
        self.spans.append((name, attributes))
        return nullcontext()

    def interrupted(self) -> str | None:
        self.asked += 1
        return self.reason if self.asked == self.interrupt_at else None


def context(
    directory: Path,
    *,
    report: Recorder | None = None,
    seed: int = 0,
    dataset: str | None = None,
    resume: Path | None = None,
    max_steps: int | None = None,
) -> RunContext:
    """A run on the CPU whose files all go into `directory`."""
    return RunContext(
        seed=seed,
        device="cpu",
        dataset=dataset,
        workdir=directory,
        data_dir=directory / "datasets",
        report=report or Recorder(),
        resume=resume,
        max_steps=max_steps,
    )


def run_pipeline(
    name: str, directory: Path, *, seed: int = 0, **params: Any
) -> tuple[Outcome, Recorder]:
    """A pipeline on its default dataset, with params as a client would write them."""
    pipeline, report = PIPELINES[name], Recorder()
    run = context(directory, report=report, seed=seed, dataset=pipeline.default_dataset)
    return pipeline.run(run, pipeline.params.model_validate(params)), report
