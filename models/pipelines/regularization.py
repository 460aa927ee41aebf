"""The tutorial's section 9.4: a net that could learn its few rows by heart, kept from doing so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from models.lazy import lazy
from models.params import Epochs, LearningRate, Optimizer, PipelineParams, TrainingParams
from models.pipelines.base import Pipeline
from models.run import Outcome, RunContext

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from models import artifacts, batches, determinism, nets, plots, variants
else:
    np, torch = lazy("numpy"), lazy("torch")
    artifacts, batches = lazy("models.artifacts"), lazy("models.batches")
    determinism, nets = lazy("models.determinism"), lazy("models.nets")
    plots, variants = lazy("models.plots"), lazy("models.variants")

HIDDEN = [100, 100]
DRAWN = 201
"""Points of each fitted function."""
TITLES = {"none": "No regularisation", "l2": "L2", "dropout": "Dropout"}


class RegularizationParams(PipelineParams, frozen=True):
    epochs: Epochs = 500
    lr: LearningRate = 0.01
    weight_decay: float = Field(default=0.01, gt=0, le=1, description="L2 penalty of `l2`")
    dropout: float = Field(
        default=0.5, gt=0, lt=1, description="Share of hidden units that `dropout` drops"
    )
    rows: int = Field(default=50, ge=10, le=1000, description="Rows, of which 30 % are test rows")
    noise: float = Field(
        default=0.1, ge=0, le=10, description="Standard deviation of the targets' noise"
    )


def run(context: RunContext, params: RegularizationParams) -> Outcome:
    """The overfitting gap is the loss on test rows less that on training rows, both without
    dropout, at the end."""
    points = _points(context, params)
    train, test = (_rows(context, part) for part in points)
    trainings = variants.Variants(context, list(TITLES), params.epochs)
    x = np.linspace(0, 1, DRAWN, dtype=np.float32)
    losses: dict[str, dict[str, list[float]]] = {}
    fitted: dict[str, list[float]] = {}
    for name in TITLES:
        determinism.seed_everything(context.seed)
        net = _net(params.dropout if name == "dropout" else 0.0)
        held_out = {"fitted": train, "test": test}
        trained, learned = trainings.train(name, net, (train, held_out), _params(params, name))
        losses[name] = {
            "train": [epoch["fitted_loss"] for epoch in trained.history],
            "test": [epoch["test_loss"] for epoch in trained.history],
        }
        with torch.inference_mode():
            fitted[name] = learned(torch.from_numpy(x)[:, None])[:, 0].tolist()
    files = artifacts.Artifacts(context)
    _draw_losses(files, losses)
    _draw_functions(files, points, x.tolist(), fitted)
    return Outcome({name: _figures(curves) for name, curves in losses.items()})


def _points(
    context: RunContext, params: RegularizationParams
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(n, 2) each: x and y = sin(6x)/2 + x/2 with noise, to train on and to test on."""
    generator = np.random.default_rng(determinism.derive(context.seed, "data"))
    x = np.linspace(0, 1, params.rows)
    y = 0.5 * np.sin(6 * x) + 0.5 * x + params.noise * generator.standard_normal(params.rows)
    order = generator.permutation(params.rows)
    both = np.stack([x, y], axis=1).astype(np.float32)
    kept = round(0.7 * params.rows)
    return both[np.sort(order[:kept])], both[np.sort(order[kept:])]


def _rows(context: RunContext, points: NDArray[np.float32]) -> batches.Rows:
    both = torch.from_numpy(points).to(context.device)
    return batches.Rows(both[:, :1].contiguous(), both[:, 1:].contiguous())


def _net(dropout: float) -> torch.nn.Module:
    return nets.build_net(
        {"name": "mlp", "inputs": 1, "hidden": HIDDEN, "outputs": 1, "dropout": dropout}
    )


def _params(params: RegularizationParams, name: str) -> TrainingParams:
    decay = params.weight_decay if name == "l2" else 0.0
    rule = Optimizer(name="adam", lr=params.lr, weight_decay=decay)
    return TrainingParams(epochs=params.epochs, batch_size=params.rows, optimizer=rule)


def _figures(curves: dict[str, list[float]]) -> dict[str, float]:
    train, test = curves["train"][-1], curves["test"][-1]
    return {"train_loss": train, "test_loss": test, "overfitting_gap": test - train}


def _draw_losses(files: artifacts.Artifacts, losses: dict[str, dict[str, list[float]]]) -> None:
    epochs = list(range(1, 1 + len(losses["none"]["train"])))
    panels = [
        plots.Panel(title, "Epoch", "Mean squared error", epochs, losses[name], scale="log")
        for name, title in TITLES.items()
    ]
    title = "Loss on training and test rows"
    files.plot("curves", title, plots.functions(panels, title), {"epochs": epochs, **losses})


def _draw_functions(
    files: artifacts.Artifacts,
    points: tuple[NDArray[np.float32], NDArray[np.float32]],
    x: list[float],
    fitted: dict[str, list[float]],
) -> None:
    lines = {TITLES[name]: values for name, values in fitted.items()}
    title = "What was learned"
    marks = {"Training rows": points[0], "Test rows": points[1]}
    numbers = {
        "x": x,
        "fitted": fitted,
        "train": points[0].tolist(),
        "test": points[1].tolist(),
    }
    files.plot("functions", title, plots.fitted(marks, x, lines, title), numbers)


PIPELINE = Pipeline(
    name="regularization",
    title="Overfitting without regularisation, with L2 and with dropout",
    section="9.4",
    task="experiment",
    params=RegularizationParams,
    run=run,
    produces_model=False,
)
