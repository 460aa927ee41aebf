"""Our training loop against the tutorial's, side by side: `python -m benchmarks.training`.

Both loops of a case run in this process in turn, in changing order, for several rounds; what counts
is the ratio within a round, because the machine's speed changes from one to the next. Ours has
everything around it that a job has: every event is made into a line of JSON and written, every
metric evaluated, a checkpoint written and synced. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import make_moons
from torch import Tensor, nn
from torchvision import datasets, transforms

from benchmarks import tutorial_loops as tutorial
from models.batches import Rows
from models.checkpoints import SavedCheckpoint
from models.latency import environment
from models.metrics import right_classes
from models.nets import build_net
from models.params import Optimizer, TrainingParams
from models.run import Level, RunContext
from models.training import Fit, Trained, Trainer

CHECKPOINT_LIMIT = 0.035


class Lines:
    """A reporter that does what a trainer process does: a line of JSON for everything."""

    def __init__(self) -> None:
        self._out = Path(os.devnull).open("wb", buffering=0)  # noqa: SIM115 - closed by `close`

    def close(self) -> None:
        self._out.close()

    def progress(self, **values: int) -> None:
        self._write(values)

    def metrics(self, values: Mapping[str, float], *, epoch: int, step: int) -> None:
        self._write({"values": dict(values), "epoch": epoch, "step": step})

    def log(self, message: str, *, level: Level = "info", **data: Any) -> None:
        self._write({"message": message, "level": level, "data": data})

    def resumed(self, *, exact: bool, differences: Mapping[str, Any]) -> None:
        self._write({"exact": exact, "differences": dict(differences)})

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        self._write({**vars(saved), "path": str(saved.path)})

    def artifact(self, file: Path, *, name: str, title: str, media_type: str) -> None:
        self._write({"path": str(file), "name": name, "title": title, "type": media_type})

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[None]:
        return nullcontext()

    def interrupted(self) -> str | None:
        return None

    def _write(self, message: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(message).encode() + b"\n")


@dataclass(frozen=True)
class Case:
    name: str
    target: float
    theirs: Callable[[], nn.Module]
    ours: Callable[[], Fit]
    """Makes everything from what the tutorial's function is given, preparation included."""
    params: TrainingParams
    same_rounding: Callable[[], nn.Module] | None = None
    """The tutorial's loop with a loss that rounds as ours does, where its own does not."""


@dataclass(frozen=True)
class Round:
    theirs_s: float
    ours_s: float
    checkpoints_s: float


def linear() -> Case:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1000, 10, generator=generator)
    y = x @ torch.randn(10, 1, generator=generator)
    y = y + 0.1 * torch.randn(1000, 1, generator=generator)

    def ours() -> Fit:
        net = build_net({"name": "linear", "inputs": 10, "outputs": 1})
        return Fit(net, net, nn.MSELoss(), Rows(x, y))

    return Case(
        "linear regression, 1000x10, SGD, 100 epochs",
        2.0,
        lambda: tutorial.linear_regression(x, y, 100),
        ours,
        TrainingParams(epochs=100, batch_size=32, optimizer=Optimizer(name="sgd", lr=0.01)),
    )


def moons() -> Case:
    points, labels = make_moons(n_samples=1000, noise=0.2, random_state=42)
    x, y = torch.FloatTensor(points), torch.FloatTensor(labels).unsqueeze(1)
    train, test = (x[:800], y[:800]), (x[800:], y[800:])

    def ours() -> Fit:
        net = build_net({"name": "mlp", "inputs": 2, "hidden": [16, 16], "outputs": 1})
        return Fit(net, net, nn.BCEWithLogitsLoss(), Rows(*train), {"test": Rows(*test)})

    return Case(
        "moons, 800 rows, Adam, 100 epochs with test loss",
        2.0,
        lambda: tutorial.binary_classification(train, test, 100),
        ours,
        TrainingParams(epochs=100, batch_size=32, optimizer=Optimizer(lr=0.01)),
        lambda: tutorial.binary_classification(train, test, 100, with_logits=True),
    )


def mnist(rows: int, directory: Path) -> Case:
    """Generated pictures in MNIST's files, read by torchvision as the tutorial does."""
    _write_mnist(directory, {"train": rows, "t10k": rows // 6})
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    train = datasets.MNIST(str(directory), train=True, transform=transform)
    test = datasets.MNIST(str(directory), train=False, transform=transform)

    def prepared(dataset: Any) -> Rows:
        """The transform for all rows at once: the same divisions, so the same bits."""
        pixels = dataset.data[:, None].float().div_(255)
        return Rows(pixels.sub_(0.1307).div_(0.3081), dataset.targets)

    def ours() -> Fit:
        net = build_net(
            {"name": "mlp", "inputs": 784, "hidden": [128, 64], "outputs": 10, "dropout": 0.2}
        )
        measures = {"accuracy": right_classes}
        held_out = {"test": prepared(test)}
        return Fit(net, net, nn.CrossEntropyLoss(), prepared(train), held_out, measures)

    return Case(
        f"MNIST MLP, {rows:,} images, Adam, one epoch with both accuracies",
        7.0,
        lambda: tutorial.multiclass_classification(train, test, 1),
        ours,
        TrainingParams(epochs=1, batch_size=64, optimizer=Optimizer(lr=0.001)),
    )


def _write_mnist(directory: Path, rows: Mapping[str, int]) -> None:
    raw = directory / "MNIST" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for part, count in rows.items():
        pictures = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = generator.integers(0, 10, count, dtype=np.uint8)
        for name, array in (
            (f"{part}-images-idx3-ubyte", pictures),
            (f"{part}-labels-idx1-ubyte", labels),
        ):
            head = bytes([0, 0, 8, array.ndim])
            head += b"".join(size.to_bytes(4, "big") for size in array.shape)
            (raw / name).write_bytes(head + array.tobytes())


def run_theirs(case: Case) -> tuple[float, list[Tensor]]:
    torch.manual_seed(tutorial.SEED)
    began = time.perf_counter()
    model = case.theirs()
    return time.perf_counter() - began, _weights(model)


def run_ours(case: Case) -> tuple[float, Trained, list[Tensor]]:
    report = Lines()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        context = RunContext(tutorial.SEED, "cpu", None, directory, directory, report)
        torch.manual_seed(tutorial.SEED)
        began = time.perf_counter()
        fit = case.ours()
        trained = Trainer(fit, case.params, context).run()
        took = time.perf_counter() - began
    report.close()
    return took, trained, _weights(fit.model)


def measure(case: Case, rounds: int) -> tuple[list[Round], str]:
    """After a warm-up round, which also compares the weights."""
    theirs = run_theirs(case)[1]
    _, _, ours = run_ours(case)
    equality = _compare(theirs, ours)
    if case.same_rounding is not None:
        torch.manual_seed(tutorial.SEED)
        equality += f"; {_compare(_weights(case.same_rounding()), ours)} with its loss on logits"
    found: list[Round] = []
    for number in range(rounds):
        if number % 2:
            ours_s, trained, _ = run_ours(case)
            theirs_s, _ = run_theirs(case)
        else:
            theirs_s, _ = run_theirs(case)
            ours_s, trained, _ = run_ours(case)
        found.append(Round(theirs_s, ours_s, trained.checkpoints_s))
    return found, equality


def _weights(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def _compare(theirs: Sequence[Tensor], ours: Sequence[Tensor]) -> str:
    if all(torch.equal(one, other) for one, other in zip(theirs, ours, strict=True)):
        return "bit-identical"
    apart = max((one - other).abs().max().item() for one, other in zip(theirs, ours, strict=True))
    return f"within {apart:.1e}"


def row(case: Case, rounds: Sequence[Round], equality: str) -> str:
    ratios = [each.theirs_s / each.ours_s for each in rounds]
    share = statistics.median(each.checkpoints_s / each.ours_s for each in rounds)
    cells = (
        case.name,
        f"{statistics.median(each.theirs_s for each in rounds):.3f}",
        f"{statistics.median(each.ours_s for each in rounds):.3f}",
        f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})",
        f"≥ {case.target:g}",
        f"{share:.1%} (≤ {CHECKPOINT_LIMIT:.1%})",
        equality,
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of torch, for both loops")
    parser.add_argument("--mnist-rows", type=int, default=60_000)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for key, value in environment(arguments.threads).items():
        if key != "method":
            print(f"{key}: {value}")
    print(f"rounds: {arguments.rounds}, in changing order after one to warm up; medians\n")
    head = (
        "loop",
        "tutorial s",
        "torchkiln s",
        "times as fast",
        "target",
        "checkpoints",
        "weights",
    )
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        for case in (linear(), moons(), mnist(arguments.mnist_rows, Path(name))):
            print(row(case, *measure(case, arguments.rounds)), flush=True)


if __name__ == "__main__":
    main()
