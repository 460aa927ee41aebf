"""Latency of every backend on this machine: `python -m benchmarks.backends`.

Two models, published and certified the way a job does it, with fresh weights, because times do
not depend on what was learned: the tutorial's MLP 784-128-64-10, and a tiny one. Then what `auto`
makes of it, through the engine that serves. Prints Markdown; `--plot DIRECTORY` also draws.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import auto
from models.benchmarking import benchmark, certified
from models.latency import environment
from models.latency_plot import draw
from models.publishing import TrainedModel, publish
from models.run import Level
from models.servable import build
from models.signature import Signature, TensorSpec
from services import logging

MODELS: dict[str, dict[str, Any]] = {
    "MLP 784-128-64-10": {"inputs": 784, "hidden": [128, 64], "outputs": 10, "dropout": 0.2},
    "tiny MLP 4-16-3": {"inputs": 4, "hidden": [16], "outputs": 3, "dropout": 0.0},
}
HELD_OUT = 64
HEAD = ("batch", "backend", "mean µs", "95 % interval", "p50", "p99", "rows/s", "of eager", "error")


class Quiet:
    """A reporter that shows nothing but warnings."""

    def progress(
        self, *, epoch: int, epochs: int, step: int, steps: int, samples: int = 0
    ) -> None: ...

    def metrics(self, values: Mapping[str, float], *, epoch: int, step: int) -> None: ...

    def log(self, message: str, *, level: Level = "info", **data: Any) -> None:
        if level != "info":
            print(message)

    def resumed(self, *, exact: bool, differences: Mapping[str, Any]) -> None: ...

    def checkpoint(self, saved: Any) -> None: ...

    def artifact(self, file: Path, *, name: str, title: str, media_type: str) -> None: ...

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[None]:
        return nullcontext()

    def interrupted(self) -> str | None:
        return None


def model(net: Mapping[str, Any]) -> TrainedModel:
    """A classifier of standardised features around `net`, with seeded fresh weights."""
    torch.manual_seed(0)
    inputs, outputs = net["inputs"], net["outputs"]
    servable = build(
        {
            "pre": {"name": "standardize", "size": inputs},
            "net": {"name": "mlp", "activation": "relu", **net},
            "post": {"name": "softmax"},
        }
    )
    signature = Signature(
        (TensorSpec("features", "FP32", (-1, inputs)),),
        (TensorSpec("probabilities", "FP32", (-1, outputs)),),
    )
    rows = np.random.default_rng(0).standard_normal((HELD_OUT, inputs)).astype(np.float32)
    return TrainedModel(servable.eval(), signature, "multiclass", None, {}, {"features": rows})


def table(found: Mapping[str, Any]) -> list[str]:
    """Markdown lines; the winner of a batch size is bold, and none is where intervals overlap."""
    results: Sequence[Mapping[str, Any]] = found["results"]
    eager = {row["batch_size"]: row["mean_ms"] for row in results if row["backend"] == "eager"}
    lines = [f"| {' | '.join(HEAD)} |", "|" + " --- |" * len(HEAD)]
    for row in results:
        size, name = row["batch_size"], row["backend"]
        low, high = (limit * 1e3 for limit in row["ci95_ms"])
        cells = (
            str(size),
            f"**{name}**" if found["winners"][str(size)] == name else name,
            f"{row['mean_ms'] * 1e3:.1f}",
            f"{low:.1f} to {high:.1f}",
            f"{row['p50_ms'] * 1e3:.1f}",
            f"{row['p99_ms'] * 1e3:.1f}",
            f"{row['rows_per_s']:,.0f}",
            f"{row['mean_ms'] / eager[size]:.2f}",
            f"{row['max_abs_error']:.1g}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=1, help="threads of one call")
    parser.add_argument("--min-time", type=float, default=0.5, help="seconds timed per case")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--plot", type=Path, help="directory for a PNG of each model")
    options = parser.parse_args()
    logging.configure("benchmarks", level="error", log_format="console")
    for title, net in MODELS.items():
        found, automatic = timed(model(net), options)
        print(f"\n## {title}\n", *table(found), sep="\n")
        print("\n`auto`, loaded as it is served, against each that it may pick:\n")
        print(*automatic, sep="\n")
        if options.plot:
            options.plot.mkdir(parents=True, exist_ok=True)
            name = f"backends-{title.split()[0].lower()}.png"
            (options.plot / name).write_bytes(draw(found["results"], found["environment"]))
    print("\n" + environment_line(environment(options.threads)))


def timed(trained: TrainedModel, options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Publish `trained` in a temporary directory and time its certified backends, then `auto`."""
    with tempfile.TemporaryDirectory() as folder:
        publication = publish(trained, Path(folder), report=Quiet())
        found = benchmark(
            Path(folder),
            trained.signature,
            backends=certified(publication.backends),
            batch_sizes=options.batch_sizes,
            threads=options.threads,
            min_time_s=options.min_time,
            rows=trained.heldout,
        )
        automatic = auto.compare(
            publication, trained.heldout, sizes=options.batch_sizes, min_time_s=options.min_time
        )
        return found, automatic


def environment_line(found: Mapping[str, Any]) -> str:
    """One sentence on where, when and how the figures were made."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return (
        f"{found['cpu_model']}, {found['cores']} cores, "
        f"{found['threads']} thread(s) a call; {versions}; {found['os']}; "
        f"{found['date']}. Interval: {found['method']}. Bold: the winner, none where "
        "intervals overlap. Error: largest absolute difference from eager."
    )


if __name__ == "__main__":
    main()
