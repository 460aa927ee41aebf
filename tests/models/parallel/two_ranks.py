"""`python -m tests.models.parallel.two_ranks RANK DIRECTORY`: one of two processes of the tests.

One start of torch for all that needs a second process; what it finds is looked at by the tests.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from models.batches import Rows
from models.checkpoints import Cadence
from models.determinism import permutation, seed_everything
from models.errors import Interrupted
from models.metrics import right_classes
from models.parallel.distributed import PeerLost, Ranks, join
from models.params import Optimizer, TrainingParams
from models.training import Fit, Trained, Trainer
from tests.support.runs import Recorder, context

FEATURES, CLASSES, BATCH = 6, 3, 16
EVEN, UNEVEN = 5 * BATCH, 5 * BATCH + 11
"""Rows: batches that two ranks halve, and a last one that they cannot."""
PARAMS = TrainingParams(
    epochs=3,
    batch_size=BATCH,
    optimizer=Optimizer(name="momentum", lr=0.05),
    checkpoint_every=100,
)
BY_STEPS = PARAMS.model_copy(update={"checkpoint_every": 4, "checkpoint_unit": "steps"})
BY_THE_CLOCK = PARAMS.model_copy(update={"checkpoint_every": None})


def rows(count: int) -> Rows:
    inputs = torch.randn(count, FEATURES, generator=torch.Generator().manual_seed(1))
    return Rows(inputs, inputs[:, :CLASSES].argmax(dim=1))


def net(*, smooth: bool) -> nn.Sequential:
    """`smooth`: without what looks at several rows, or at chance."""
    torch.manual_seed(2)
    middle = [nn.Tanh()] if smooth else [nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(nn.Linear(FEATURES, 16), *middle, nn.Linear(16, CLASSES))


def train(
    model: nn.Module,
    count: int,
    directory: Path,
    ranks: Ranks | None,
    *,
    report: Recorder | None = None,
    resume: Path | None = None,
    params: TrainingParams = PARAMS,
    max_steps: int | None = None,
) -> Trained:
    held_out, loss = {"test": rows(33)}, nn.CrossEntropyLoss()
    fit = Fit(model, model, loss, rows(count), held_out, {"accuracy": right_classes})
    place = context(directory, report=report, resume=resume, max_steps=max_steps)
    run = replace(place, ranks=ranks)
    return Trainer(fit, params, run).run()


def with_torchs_own(rank: int) -> dict[str, Any]:
    """The weights and statistics of the same training by `DistributedDataParallel`."""
    model = without_dropout()
    parallel = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    data, loss = rows(EVEN), nn.CrossEntropyLoss()
    for epoch in range(PARAMS.epochs):
        for batch in permutation(EVEN, 0, epoch).split(BATCH):
            own = batch.chunk(2)[rank]
            optimizer.zero_grad()
            loss(parallel(data.inputs[own]), data.targets[own]).backward()
            optimizer.step()
    return model.state_dict()


def without_dropout() -> nn.Module:
    model = net(smooth=False)
    for dropout in filter(lambda layer: isinstance(layer, nn.Dropout), model):
        dropout.p = 0.0
    return model


def interrupted_and_resumed(directory: Path, ranks: Ranks) -> dict[str, Any]:
    """The same training in one piece and in two; only rank 0 knows that it should stop."""
    found: dict[str, Any] = {}
    seed_everything(0)
    whole = net(smooth=False)
    found["whole history"] = train(whole, UNEVEN, directory / "whole", ranks).history
    found["whole"] = whole.state_dict()
    found["random afterwards"] = torch.rand(3)
    seed_everything(0)
    report = Recorder(interrupt_at=8 if ranks.leads else None)
    try:
        train(net(smooth=False), UNEVEN, directory / "first", ranks, report=report)
    except Interrupted as error:
        found["reason"] = error.reason
    (saved,) = report.checkpoints
    found["stopped at"] = saved.step
    seed_everything(99)
    pieces, file = net(smooth=False), directory.parent / "0" / "first" / "checkpoints"
    path = file / saved.path.name
    found["pieces history"] = train(
        pieces, UNEVEN, directory / "second", ranks, resume=path
    ).history
    found["pieces"] = pieces.state_dict()
    parts = ("whole", "first", "second")
    found["files"] = [path.name for part in parts for path in (directory / part).rglob("*.pt")]
    return found


def limited(directory: Path, ranks: Ranks) -> dict[str, Any]:
    """A training that ends within its second epoch, and again from the last checkpoint before."""
    report = Recorder()
    seed_everything(3)
    whole, pieces = net(smooth=False), net(smooth=False)
    train(whole, UNEVEN, directory / "limited", ranks, report=report, params=BY_STEPS, max_steps=10)
    saved = directory.parent / "0" / "limited" / "checkpoints" / report.checkpoints[-2].path.name
    again, where = Recorder(), directory / "limited again"
    train(pieces, UNEVEN, where, ranks, report=again, resume=saved, params=BY_STEPS, max_steps=10)
    return {
        "saved at": [one.step for one in (*report.checkpoints, *again.checkpoints)],
        "history": report.history,
        "again": again.history,
        "exact": again.exact,
        "weights": whole.state_dict(),
        "weights again": pieces.state_dict(),
    }


def from_one(directory: Path, ranks: Ranks) -> dict[str, Any]:
    """Two go on where one process was interrupted."""
    report, one = Recorder(interrupt_at=8), net(smooth=False)
    with suppress(Interrupted):
        train(one, UNEVEN, directory / "alone", None, report=report)
    again, file = Recorder(), report.checkpoints[-1].path
    train(net(smooth=False), UNEVEN, directory / "more", ranks, report=again, resume=file)
    return {"exact": again.exact, "differences": again.differences, "history": again.history}


def found_in_turn(directory: Path, ranks: Ranks) -> bool:
    file = directory.parent / "downloaded"
    with ranks.one_by_one():
        if ranks.leads:
            time.sleep(0.2)  # what a download takes
            file.touch()
        return file.exists()


def left_alone(ranks: Ranks) -> bool:
    """The end: rank 1 leaves in the middle, and rank 0 notices."""
    if not ranks.leads:
        return False
    try:
        while True:
            ranks.sum(torch.ones(1))
    except PeerLost:
        return True


def experiments(rank: int, directory: Path) -> Iterator[tuple[str, Any]]:
    ranks = join(rank, 2, "cpu", directory.parent / "meeting")
    ours = without_dropout()
    train(ours, EVEN, directory / "ours", ranks)
    yield "ours", ours.state_dict()
    yield "torch", with_torchs_own(rank)
    smooth = net(smooth=True)
    Cadence.PAUSE_S, Cadence.SHARE = (0.0, 1e9) if ranks.leads else (1e9, 1.0)
    report = Recorder()
    yield (
        "smooth history",
        train(
            smooth, UNEVEN, directory / "smooth", ranks, report=report, params=BY_THE_CLOCK
        ).history,
    )
    yield "smooth", smooth.state_dict()
    yield "saved at", [saved.step for saved in report.checkpoints]
    yield "resumed", interrupted_and_resumed(directory, ranks)
    yield "limited", limited(directory, ranks)
    yield "from one", from_one(directory, ranks)
    yield "in turn", found_in_turn(directory, ranks)
    yield "left alone", left_alone(ranks)


def main() -> None:
    rank, directory = int(sys.argv[1]), Path(sys.argv[2], sys.argv[1])
    torch.set_num_threads(1)
    directory.mkdir()
    torch.save(dict(experiments(rank, directory)), directory / "found.pt")
    os._exit(0)


if __name__ == "__main__":
    main()
