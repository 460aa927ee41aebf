"""The tutorial's section 9.2: learning-rate schedules, each with an optimizer of its own.

The tutorial steps all of them on one optimizer, each from where the one before has left it, and
shows `ReduceLROnPlateau` a loss that never stops falling. Here each runs in a training of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from models.lazy import lazy
from models.params import (
    BatchSize,
    Epochs,
    LearningRate,
    Optimizer,
    PipelineParams,
    Scheduler,
    SchedulerName,
    TrainingParams,
)
from models.pipelines.base import Pipeline
from models.run import Outcome, RunContext

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models import artifacts, batches, determinism, nets, plots, variants
else:
    np, torch = lazy("numpy"), lazy("torch")
    artifacts, batches = lazy("models.artifacts"), lazy("models.batches")
    determinism, nets = lazy("models.determinism"), lazy("models.nets")
    plots, variants = lazy("models.plots"), lazy("models.variants")

FEATURES, HIDDEN = 10, 50
TITLES: dict[SchedulerName, str] = {
    "step": "StepLR",
    "exponential": "ExponentialLR",
    "cosine": "CosineAnnealingLR",
    "plateau": "ReduceLROnPlateau",
    "onecycle": "OneCycleLR",
}
Factor = Annotated[float, Field(gt=0, le=1)]


class SchedulersParams(PipelineParams, frozen=True):
    epochs: Epochs = 100
    batch_size: BatchSize = 32
    lr: LearningRate = 0.1
    step_size: int = Field(default=20, ge=1, le=10_000, description="Epochs between drops (step)")
    step_gamma: Factor = Field(default=0.5, description="Factor of a drop (step)")
    exponential_gamma: Factor = Field(
        default=0.975, description="Factor of each epoch (exponential)"
    )
    plateau_factor: Factor = Field(default=0.5, description="Factor of a drop (plateau)")
    plateau_patience: int = Field(
        default=10, ge=0, le=1_000, description="Epochs without gain before a drop (plateau)"
    )
    max_lr: LearningRate = Field(default=0.1, description="The peak (onecycle)")
    rows: int = Field(
        default=400, ge=50, le=100_000, description="Rows of the synthetic data, a fifth held out"
    )


def run(context: RunContext, params: SchedulersParams) -> Outcome:
    data = _data(context, params)
    determinism.seed_everything(context.seed)
    net = nets.build_net(
        {"name": "mlp", "inputs": FEATURES, "hidden": [HIDDEN], "outputs": 1, "activation": "relu"}
    )
    trainings = variants.Variants(context, list(TITLES), params.epochs)
    rates: dict[str, list[float]] = {}
    losses: dict[str, list[float]] = {}
    for name, title in TITLES.items():
        trained, _ = trainings.train(
            name, net, data, _params(params, name), watched="validation_loss"
        )
        rates[title] = [epoch["lr"] for epoch in trained.history]
        losses[title] = [epoch["validation_loss"] for epoch in trained.history]
    _draw(artifacts.Artifacts(context), rates, losses)
    return Outcome(
        {
            name: {
                "first_lr": rates[title][0],
                "highest_lr": max(rates[title]),
                "last_lr": rates[title][-1],
                "validation_loss": losses[title][-1],
            }
            for name, title in TITLES.items()
        }
    )


def _data(
    context: RunContext, params: SchedulersParams
) -> tuple[batches.Rows, dict[str, batches.Rows]]:
    """A smooth function of a few of the features, with noise: a loss that stops falling."""
    generator = np.random.default_rng(determinism.derive(context.seed, "data"))
    inputs = generator.standard_normal((params.rows, FEATURES))
    smooth = np.sin(inputs[:, :1]) + inputs[:, 1:2] * inputs[:, 2:3]
    targets = smooth + 0.1 * generator.standard_normal((params.rows, 1))
    x, y = (
        torch.from_numpy(array.astype(np.float32)).to(context.device) for array in (inputs, targets)
    )
    held = params.rows // 5
    return batches.Rows(x[held:], y[held:]), {"validation": batches.Rows(x[:held], y[:held])}


def _params(params: SchedulersParams, name: SchedulerName) -> TrainingParams:
    gammas = {"exponential": params.exponential_gamma, "plateau": params.plateau_factor}
    schedule = Scheduler(
        name=name,
        step_size=params.step_size,
        gamma=gammas.get(name, params.step_gamma),
        patience=params.plateau_patience,
        max_lr=params.max_lr,
    )
    return TrainingParams(
        epochs=params.epochs,
        batch_size=params.batch_size,
        optimizer=Optimizer(name="adam", lr=params.lr),
        scheduler=schedule,
    )


def _draw(
    files: artifacts.Artifacts, rates: dict[str, list[float]], losses: dict[str, list[float]]
) -> None:
    epochs = list(range(1, 1 + max(map(len, rates.values()))))
    panels = [
        plots.Panel("The rate", "Epoch", "Learning rate", epochs, rates),
        plots.Panel("What comes of it", "Epoch", "Validation loss", epochs, losses, scale="log"),
    ]
    title = "Learning-rate schedules"
    numbers = {"epochs": epochs, "learning_rate": rates, "validation_loss": losses}
    files.plot("learning-rates", title, plots.functions(panels, title), numbers)


PIPELINE = Pipeline(
    name="schedulers",
    title="Learning-rate schedules, each with an optimizer of its own",
    section="9.2",
    task="experiment",
    params=SchedulersParams,
    run=run,
    produces_model=False,
)
