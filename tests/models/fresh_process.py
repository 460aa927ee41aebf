"""`python -m tests.models.fresh_process THREADS DIRECTORY [STOP_AT]`: a piece of some trainings.

With a step to stop at: the whole of each training, and then its first piece. Without: the rest, in
a process and a heap of its own: what it ends with depends on what the checkpoints hold.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
from pathlib import Path

import torch
from torch import nn

from models.batches import Rows
from models.determinism import seed_everything
from models.errors import Interrupted
from models.metrics import right_classes
from models.nets import build_net
from models.params import Optimizer, Scheduler, TrainingParams
from models.training import Fit, Trainer
from tests.support.runs import Recorder, context

NETS = {
    "mlp": {"name": "mlp", "inputs": 64, "hidden": [128, 32], "outputs": 3, "dropout": 0.3},
    "residual": {"name": "residual", "channels": 1, "filters": [8, 16], "outputs": 3},
}
PARAMS = TrainingParams(
    epochs=3,
    batch_size=37,
    optimizer=Optimizer(name="adam", lr=0.01),
    scheduler=Scheduler(name="exponential"),
)


def fit(name: str) -> Fit:
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(200, 64, generator=generator)
    targets = inputs[:, :3].argmax(dim=1)
    if name == "residual":
        inputs = inputs.view(-1, 1, 8, 8)
    net = build_net(NETS[name])
    rows = Rows(inputs, targets)
    loss, measures = nn.CrossEntropyLoss(), {"accuracy": right_classes}
    return Fit(net, net, loss, rows, {"test": rows.part(slice(50))}, measures)


def piece(net: str, place: Path, *, stop: int | None = None, resume: Path | None = None) -> None:
    seed_everything(0 if resume is None else os.getpid())
    made, report = fit(net), Recorder(interrupt_at=stop)
    run = context(place, report=report, resume=resume)
    with contextlib.suppress(Interrupted):
        Trainer(made, PARAMS, run).run()
    report.checkpoints[-1].path.rename(place / "last.pt")
    found = {"history": report.history, "weights": made.model.state_dict(), "exact": report.exact}
    torch.save(found, place / "found.pt")


def main() -> None:
    threads, directory, *stop = sys.argv[1:]
    torch.set_num_threads(int(threads))
    # Holes of other sizes in every process's heap.
    held = [torch.empty(random.SystemRandom().randrange(1, 9999)) for _ in range(50)]
    del held[::2]
    for net in NETS:
        place = Path(directory, net)
        if stop:
            piece(net, place / "whole")
            piece(net, place / "first", stop=int(stop[0]))
        else:
            piece(net, place / "second", resume=place / "first" / "last.pt")


if __name__ == "__main__":
    main()
