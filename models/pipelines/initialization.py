"""The tutorial's section 9.3: what becomes of a signal in a deep net, by how its weights start."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

from pydantic import Field

from models.errors import Interrupted
from models.lazy import lazy
from models.params import InitializationName, PipelineParams
from models.pipelines.base import Pipeline
from models.run import Outcome, RunContext

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from models import artifacts, determinism, nets, plots
    from models import initialization as starts
else:
    np, torch, nn = lazy("numpy"), lazy("torch"), lazy("torch.nn")
    artifacts, determinism = lazy("models.artifacts"), lazy("models.determinism")
    nets, plots, starts = lazy("models.nets"), lazy("models.plots"), lazy("models.initialization")

INPUTS = 10
BINS = 50
REACH = 1.5
"""The histograms' range is ± this, as in the tutorial; what lies beyond is in no bin."""


class Layer(NamedTuple):
    """What is kept of a hidden layer's activations: all of a deep, wide net's are gigabytes."""

    statistics: dict[str, float]
    counts: list[int]
    """Of the histogram."""


class InitializationParams(PipelineParams, frozen=True):
    depth: int = Field(default=10, ge=2, le=50, description="Linear layers, a ReLU between them")
    width: int = Field(default=100, ge=2, le=1024, description="Units of a hidden layer")
    rows: int = Field(
        default=1000, ge=10, le=10_000, description="Standard normal inputs that go through"
    )
    layers_shown: int = Field(
        default=3, ge=1, le=10, description="Hidden layers whose histograms are drawn"
    )


def run(context: RunContext, params: InitializationParams) -> Outcome:
    """Every method sees the same inputs and begins with the same state of the generator."""
    names = get_args(InitializationName)
    edges = np.linspace(-REACH, REACH, BINS + 1)
    found: dict[str, list[Layer]] = {}
    for number, name in enumerate(names, start=1):
        if reason := context.report.interrupted():
            raise Interrupted(reason)
        found[name] = _activations(context, params, name, edges)
        context.report.progress(epoch=0, epochs=1, step=number, steps=len(names))
    statistics = {name: [layer.statistics for layer in layers] for name, layers in found.items()}
    counts = {name: [layer.counts for layer in layers] for name, layers in found.items()}
    files = artifacts.Artifacts(context)
    _draw_histograms(files, edges.tolist(), counts, params.layers_shown)
    _draw_spread(files, statistics)
    context.report.progress(epoch=1, epochs=1, step=len(names), steps=len(names))
    return Outcome({"layers": params.depth - 1, "methods": statistics})


def _activations(
    context: RunContext,
    params: InitializationParams,
    name: InitializationName,
    edges: NDArray[np.float64],
) -> list[Layer]:
    """Of what each hidden layer gives, (rows, width), behind its ReLU."""
    determinism.seed_everything(context.seed)
    inputs = torch.randn(params.rows, INPUTS).to(context.device)
    hidden = [params.width] * (params.depth - 1)
    net = nets.build_net({"name": "mlp", "inputs": INPUTS, "hidden": hidden, "outputs": 1})
    starts.initialize(net, name)
    seen: list[Layer] = []
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(
                lambda _module, _inputs, output: seen.append(_layer(output.cpu().numpy(), edges))
            )
    with torch.inference_mode():
        net.to(context.device).eval()(inputs)
    return seen


def _layer(given: NDArray[np.float32], edges: NDArray[np.float64]) -> Layer:
    statistics = {
        "mean": float(given.mean(dtype=np.float64)),
        "std": float(given.std(dtype=np.float64)),
        "zeros": float((given == 0).mean()),
    }
    return Layer(statistics, np.histogram(given, edges)[0].tolist())


def _draw_histograms(
    files: artifacts.Artifacts, edges: list[float], counts: dict[str, list[list[int]]], shown: int
) -> None:
    title = "Activations of the first hidden layers"
    grid = {name: layers[:shown] for name, layers in counts.items()}
    figure = plots.histograms(edges, grid, title)
    files.plot("activations", title, figure, {"edges": edges, "counts": counts})


def _draw_spread(files: artifacts.Artifacts, statistics: dict[str, list[dict[str, float]]]) -> None:
    layers = list(range(1, 1 + max(map(len, statistics.values()))))
    lines = {
        figure: {name: [layer[figure] for layer in rows] for name, rows in statistics.items()}
        for figure in ("mean", "std")
    }
    panels = [
        plots.Panel("", "Hidden layer", f"{name} of the activations", layers, lines[figure])
        for figure, name in (("mean", "Mean"), ("std", "Standard deviation"))
    ]
    title = "How far the signal gets"
    numbers = {"layers": layers, **lines}
    files.plot("signal", title, plots.functions(panels, title), numbers)


PIPELINE = Pipeline(
    name="initialization",
    title="Activations of a deep net by how its weights start",
    section="9.3",
    task="experiment",
    params=InitializationParams,
    run=run,
    produces_model=False,
)
