"""One training in several variants, from the same weights and with the same order of rows: what the
tutorial's section 9 compares.

Nothing of them is published, and together they take seconds: they leave no checkpoints to the job,
and a job that is resumed begins again. Of the job's `max_steps` each gets the same share, so that
what is cut short can be compared too.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from models.batches import Rows
from models.checkpoints import SavedCheckpoint
from models.determinism import seed_everything
from models.errors import Diverged
from models.params import TrainingParams
from models.run import Level, Reporter, RunContext
from models.training import Fit, Trained, Trainer


class Variants:
    """The trainings of one job, by name."""

    def __init__(self, context: RunContext, names: Sequence[str], epochs: int) -> None:
        """`epochs`: of each of them."""
        self._context = context
        self._names = list(names)
        self._epochs = epochs
        self._latest: dict[str, float] = {}

    def train(
        self,
        name: str,
        net: nn.Module,
        data: tuple[Rows, Mapping[str, Rows]],
        params: TrainingParams,
        *,
        watched: str = "train_loss",
    ) -> tuple[Trained, nn.Module]:
        """Train a copy of `net` on the first of `data`, judged on the others.

        → how it went, and the copy in eval mode. Raises `Diverged` that names the variant.
        """
        seed_everything(self._context.seed)
        ours = copy.deepcopy(net).to(self._context.device)
        fit = Fit(ours, ours, nn.MSELoss(), data[0], data[1], watched=watched)
        place = replace(
            self._context,
            workdir=self._context.workdir / name,
            report=_VariantReporter(self._context.report, name, self),
            resume=None,
            max_steps=self._share(),
        )
        try:
            trained = Trainer(fit, params, place).run()
        except Diverged as error:
            raise Diverged(f"{name}: {error}") from None
        return trained, ours.cpu().eval()

    def _share(self) -> int | None:
        """A step at least: something has to be measured."""
        steps = self._context.max_steps
        return None if steps is None else max(1, steps // len(self._names))

    def before(self, name: str) -> int:
        """Variants that come before this one."""
        return self._names.index(name)

    def of_all(self, epoch: int, step: int, steps: int, name: str) -> dict[str, int]:
        """Progress in one variant as progress in the job."""
        before, count = self.before(name), len(self._names)
        return {
            "epoch": before * self._epochs + epoch,
            "epochs": count * self._epochs,
            "step": before * steps + step,
            "steps": count * steps,
        }

    def latest(self, name: str, values: Mapping[str, float]) -> dict[str, float]:
        """The latest figures of all variants so far, each under its variant's name."""
        self._latest |= {f"{name}_{figure}": value for figure, value in values.items()}
        return dict(self._latest)


class _VariantReporter:
    def __init__(self, report: Reporter, name: str, variants: Variants) -> None:
        self._report = report
        self._name = name
        self._variants = variants
        self._steps = 1

    def progress(self, *, epoch: int, epochs: int, step: int, steps: int, samples: int = 0) -> None:
        self._steps = steps
        place = self._variants.of_all(epoch, step, steps, self._name)
        self._report.progress(**place, samples=samples)

    def metrics(self, values: Mapping[str, float], *, epoch: int, step: int) -> None:
        place = self._variants.of_all(epoch, step, self._steps, self._name)
        told = self._variants.latest(self._name, values)
        self._report.metrics(told, epoch=place["epoch"], step=place["step"])

    def log(self, message: str, *, level: Level = "info", **data: Any) -> None:
        self._report.log(f"{self._name}: {message}", level=level, variant=self._name, **data)

    def resumed(self, *, exact: bool, differences: Mapping[str, Any]) -> None:
        """None is: they always begin anew."""

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        """Not the job's: nobody goes on from it."""

    def artifact(self, file: Path, *, name: str, title: str, media_type: str) -> None:
        self._report.artifact(file, name=name, title=title, media_type=media_type)

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[None]:
        return self._report.span(name, variant=self._name, **attributes)

    def interrupted(self) -> str | None:
        return self._report.interrupted()
