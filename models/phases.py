"""Several trainings in one job, one after the other: progress over all, and resume in each.

The last one is the job's own: it alone reports metrics, and its checkpoint is the job's last. Those
before it tell their metrics in the log. What a finished training leaves for the following ones is
carried in their checkpoints, so that a job goes on in the training that it was stopped in.

`max_steps` counts the steps of all, as progress does. Every training takes one step at least,
because what comes next needs its result: so much is kept for each of those that follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.checkpoints import SavedCheckpoint, read_checkpoint
from models.errors import InvalidData
from models.run import Level, Reporter, RunContext


class Phases:
    """The plan of a job, and where in it a resumed one is."""

    def __init__(self, context: RunContext, steps: Mapping[str, int], epochs: int) -> None:
        """`steps`: the optimizer steps of each training by its name, in order, at least those that
        it takes; `epochs`: of the last one. Raises `InvalidData` for a checkpoint of another plan,
        and `CheckpointCorrupt`."""
        self._context = context
        self._steps = dict(steps)
        self._epochs = epochs
        self._names = list(steps)
        self._current = self._names[0]
        self.carried: dict[str, Any] = {}
        """What finished trainings have left, by name: what a checkpoint can hold."""
        if context.resume is not None:
            self._find_place(context.resume)

    def _find_place(self, checkpoint: Path) -> None:
        about = read_checkpoint(checkpoint)["about"]
        phase, self.carried = about.get("phase"), dict(about.get("carried", {}))
        if phase not in self._names or set(self._before(phase)) - set(self.carried):
            raise InvalidData("the checkpoint was made with params that ask for other trainings")
        self._current = phase

    def _before(self, name: str) -> list[str]:
        return self._names[: self._names.index(name)]

    def pending(self, name: str) -> bool:
        """Whether the training is planned and has not left its result yet."""
        return name in self._names and name not in self.carried

    def context(self, name: str) -> RunContext:
        """What the training of this name runs in."""
        context, before = self._context, sum(self._steps[one] for one in self._before(name))
        main = name == self._names[-1]
        steps = sum(self._steps.values())
        place = _Place(name, main, before, min(steps, context.max_steps or steps), self._epochs)
        return replace(
            context,
            workdir=context.workdir if main else context.workdir / name,
            report=_PhaseReporter(context.report, place),
            resume=context.resume if name == self._current else None,
            max_steps=self._limit(name, before),
        )

    def _limit(self, name: str, before: int) -> int | None:
        limit, following = self._context.max_steps, self._names[self._names.index(name) + 1 :]
        return None if limit is None else max(1, limit - before - len(following))

    def about(self, name: str) -> dict[str, Any]:
        """What a checkpoint of this training has to hold."""
        return {"phase": name, "carried": dict(self.carried)}


@dataclass(frozen=True)
class _Place:
    name: str
    main: bool
    before: int
    """Steps of the trainings before this one."""
    steps: int
    """Of all of them, `max_steps` at most."""
    epochs: int


class _PhaseReporter:
    """Steps are counted over all trainings: a later checkpoint has to have the higher number."""

    def __init__(self, report: Reporter, place: _Place) -> None:
        self._report = report
        self._place = place

    def progress(self, *, epoch: int, epochs: int, step: int, steps: int, samples: int = 0) -> None:
        place = self._place
        self._report.progress(
            epoch=epoch if place.main else 0,
            epochs=place.epochs,
            step=place.before + step,
            steps=place.before + steps if place.main else max(place.before + steps, place.steps),
            samples=samples,
        )

    def metrics(self, values: Mapping[str, float], *, epoch: int, step: int) -> None:
        if self._place.main:
            self._report.metrics(values, epoch=epoch, step=self._place.before + step)
            return
        figures = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        message = f"{self._place.name}: epoch {epoch}: {figures}"
        self._report.log(message, phase=self._place.name, epoch=epoch, values=dict(values))

    def log(self, message: str, *, level: Level = "info", **data: Any) -> None:
        self._report.log(message, level=level, **data)

    def resumed(self, *, exact: bool, differences: Mapping[str, Any]) -> None:
        self._report.resumed(exact=exact, differences=differences)

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        place = self._place
        moved = replace(saved, step=place.before + saved.step)
        if not place.main:
            metrics = {f"{place.name}_{name}": value for name, value in saved.metrics.items()}
            moved = replace(moved, epoch=0, metrics=metrics, best=False)
        self._report.checkpoint(moved)

    def artifact(self, file: Path, *, name: str, title: str, media_type: str) -> None:
        self._report.artifact(file, name=name, title=title, media_type=media_type)

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[None]:
        return self._report.span(name, phase=self._place.name, **attributes)

    def interrupted(self) -> str | None:
        return self._report.interrupted()
