"""The tutorial's section 9.1: update rules from the same weights, on the same batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from models.lazy import lazy
from models.params import (
    BatchSize,
    Epochs,
    LearningRate,
    Optimizer,
    OptimizerName,
    PipelineParams,
    TrainingParams,
)
from models.pipelines.base import Pipeline
from models.run import Outcome, RunContext

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models import artifacts, batches, determinism, initialization, nets, plots, variants
else:
    np, torch = lazy("numpy"), lazy("torch")
    artifacts, batches = lazy("models.artifacts"), lazy("models.batches")
    determinism, initialization = lazy("models.determinism"), lazy("models.initialization")
    nets, plots, variants = lazy("models.nets"), lazy("models.plots"), lazy("models.variants")

FEATURES = 20
ADAMW_DECAY = 0.01
"""Torch's default."""
ALL: list[OptimizerName] = ["sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"]


class OptimizersParams(PipelineParams, frozen=True):
    epochs: Epochs = 100
    batch_size: BatchSize = 32
    lr: LearningRate = 0.01
    weight_decay: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="L2 penalty (decoupled for adamw); null is torch's default of each, which is "
        "0.01 for adamw and 0 for the others: with 0 adamw is adam",
    )
    rows: int = Field(default=1000, ge=50, le=100_000, description="Rows of the synthetic data")
    noise: float = Field(
        default=0.1, ge=0, le=10, description="Standard deviation of the targets' noise"
    )
    optimizers: list[OptimizerName] = Field(
        default=ALL, min_length=2, max_length=6, description="Which to compare, each once"
    )

    @field_validator("optimizers")
    @classmethod
    def _each_once(cls, names: list[OptimizerName]) -> list[OptimizerName]:
        if len(set(names)) < len(names):
            raise ValueError("expected each optimizer once")
        return names


def run(context: RunContext, params: OptimizersParams) -> Outcome:
    """Every rule begins with the same weights and sees the same batches, so what differs is its."""
    rows = _rows(context, params)
    determinism.seed_everything(context.seed)
    net = nets.build_net({"name": "linear", "inputs": FEATURES, "outputs": 1})
    initialization.initialize(net, "xavier_uniform")
    names = params.optimizers
    trainings = variants.Variants(context, names, params.epochs)
    losses: dict[str, list[float]] = {}
    for name in names:
        trained, _ = trainings.train(name, net, (rows, {}), _params(params, name))
        losses[name] = [epoch["train_loss"] for epoch in trained.history]
    _draw(artifacts.Artifacts(context), losses)
    final = {name: values[-1] for name, values in losses.items()}
    return Outcome(
        {
            "ranking": sorted(names, key=lambda name: final[name]),
            **{f"{name}_final_loss": value for name, value in final.items()},
            "epochs_to_twice_the_best": _epochs_to(losses, 2 * min(final.values())),
            "noise_variance": params.noise**2,
        }
    )


def _rows(context: RunContext, params: OptimizersParams) -> batches.Rows:
    generator = np.random.default_rng(determinism.derive(context.seed, "data"))
    inputs = generator.standard_normal((params.rows, FEATURES))
    weights = generator.standard_normal((FEATURES, 1))
    targets = inputs @ weights + params.noise * generator.standard_normal((params.rows, 1))
    x, y = (torch.from_numpy(array.astype(np.float32)) for array in (inputs, targets))
    return batches.Rows(x.to(context.device), y.to(context.device))


def _params(params: OptimizersParams, name: OptimizerName) -> TrainingParams:
    decay = params.weight_decay
    if decay is None:
        decay = ADAMW_DECAY if name == "adamw" else 0.0
    rule = Optimizer(name=name, lr=params.lr, weight_decay=decay)
    return TrainingParams(epochs=params.epochs, batch_size=params.batch_size, optimizer=rule)


def _epochs_to(losses: dict[str, list[float]], loss: float) -> dict[str, int | None]:
    """The first epoch, from 1, that is as low; None for a rule that never gets there."""
    return {
        name: next((epoch for epoch, value in enumerate(values, 1) if value <= loss), None)
        for name, values in losses.items()
    }


def _draw(files: artifacts.Artifacts, losses: dict[str, list[float]]) -> None:
    epochs = list(range(1, 1 + max(map(len, losses.values()))))
    panel = plots.Panel("", "Epoch", "Mean squared error", epochs, losses, scale="log")
    title = "Training loss by optimizer"
    files.plot("losses", title, plots.functions([panel], title), {"epochs": epochs, **losses})


PIPELINE = Pipeline(
    name="optimizers",
    title="Update rules compared from the same weights on the same batches",
    section="9.1",
    task="experiment",
    params=OptimizersParams,
    run=run,
    produces_model=False,
)
