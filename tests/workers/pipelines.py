"""Pipelines that do what a test wants to see followed, without torch."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pydantic import Field

from models.errors import CheckpointCorrupt, DatasetUnavailable, Interrupted
from models.params import PipelineParams, TrainingParams
from models.pipelines.base import Pipeline
from models.run import Outcome, RunContext

STEP_S = 0.005
STEPS_OF_AN_EPOCH = 10
MIB = 2**20


class CountParams(PipelineParams):
    epochs: int = Field(3, description="How far to count, in tens")
    crash_at: int = Field(0, description="The epoch at whose end the process kills itself")
    once: bool = Field(False, description="Crash only in an attempt that began at 0")
    stubborn: bool = Field(False, description="Do not listen")
    hang_at: int = Field(0, description="The step after which nothing comes any more")
    refuse: int = Field(0, description="The step whose checkpoint cannot be read")
    exact: bool = Field(True, description="What is said of going on")


def count(context: RunContext, params: CountParams) -> Outcome:
    """A training without mathematics: steps, epochs with metrics and a checkpoint, an artifact."""
    began = int(context.resume.read_text()) if context.resume else 0
    if began and began == params.refuse:
        raise CheckpointCorrupt("it is of another format")
    if began:
        differences = {} if params.exact else {"threads": [1, 2]}
        context.report.resumed(exact=params.exact, differences=differences)
    steps = params.epochs * STEPS_OF_AN_EPOCH
    for step in range(began + 1, steps + 1):
        time.sleep(STEP_S)
        epoch = step // STEPS_OF_AN_EPOCH
        context.report.progress(epoch=epoch, epochs=params.epochs, step=step, steps=steps)
        if step % STEPS_OF_AN_EPOCH == 0:
            context.report.metrics({"loss": 1 / step}, epoch=epoch, step=step)
            _save(context, epoch, step)
            if epoch == params.crash_at and not (params.once and began):
                with context.report.span("epoch", epoch=epoch):
                    os.kill(os.getpid(), 9)
        while step == params.hang_at:
            time.sleep(STEP_S)
        if (reason := context.report.interrupted()) and not params.stubborn:
            _save(context, epoch, step)
            raise Interrupted(reason)
    plot = context.workdir / "curve.json"
    plot.write_text(f"[{steps}]")
    context.report.artifact(plot, name="curve.json", title="Curve", media_type="application/json")
    return Outcome({"counted": steps, "began": began, "device": context.device})


def _save(context: RunContext, epoch: int, step: int) -> None:
    path = context.workdir / f"step-{step}.txt"
    path.write_text(str(step))
    saved = SimpleNamespace(
        path=path,
        epoch=epoch,
        step=step,
        metrics={"loss": 1 / step},
        best=True,
        size_bytes=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        took_s=0.01,
    )
    context.report.checkpoint(cast("Any", saved))


class TalkParams(PipelineParams):
    lines: int = 1


def talk(context: RunContext, params: TalkParams) -> Outcome:
    """Print to both streams, from Python and from below it."""
    for number in range(params.lines):
        print(f"line {number}")  # noqa: T201 - this is what it is for
    print("beside", file=sys.stderr)  # noqa: T201
    os.write(1, b"from below \xff\n")
    context.report.log("told", level="warning", where="here")
    return Outcome({"stdin": sys.stdin.read(), "directory": Path.cwd().name})


class AloneParams(PipelineParams):
    rank: int


def alone(context: RunContext, params: AloneParams) -> Outcome:
    """One rank fails, and the others wait for it."""
    ranks = context.ranks
    assert ranks is not None
    if ranks.rank == params.rank:
        raise MemoryError
    ranks.told("a word")
    raise AssertionError("unreachable")


class FitParams(TrainingParams):
    pace_s: float = Field(0.0, description="How long a step takes at least")
    fail_rank: int = Field(-1, description="The rank whose memory is not enough, at its first step")


def fit(context: RunContext, params: FitParams) -> Outcome:
    """A training with mathematics, in one process or in several, of which nothing is published."""
    import torch

    from models.batches import Rows
    from models.determinism import seed_everything
    from models.training import Fit, Trainer

    class Slow(torch.nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            time.sleep(params.pace_s if self.training else 0)
            if self.training and context.ranks and context.ranks.rank == params.fail_rank:
                raise MemoryError
            return super().forward(input)

    seed_everything(context.seed)
    net, inputs = Slow(4, 1), torch.randn(64, 4)
    rows = Rows(inputs, inputs @ torch.tensor([[1.0], [-2.0], [3.0], [0.5]]))
    task = Fit(net, net, torch.nn.MSELoss(), rows)
    trained = Trainer(task, params, context).run()
    weights = [value.item() for value in net.weight.flatten()]
    world_size = 1 if context.ranks is None else context.ranks.size
    loss = trained.history[-1]["train_loss"]
    return Outcome({"weights": weights, "train_loss": loss, "world_size": world_size})


class FailParams(PipelineParams):
    how: str


def fail(context: RunContext, params: FailParams) -> Outcome:
    match params.how:
        case "bug":
            raise ValueError("shapes (3, 4) and (5,) do not fit\nmore in /etc/passwd")
        case "file":
            (context.workdir / "missing.bin").read_bytes()
        case "path":
            raise RuntimeError(f"cannot read {context.workdir}/weights.pt, nor ~/x or ./y")
        case "foreseen":
            raise DatasetUnavailable("mnist is not on this machine; connect it, or use digits")
        case "memory":
            raise MemoryError
        case "torch memory":
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 1 TB")
        case "exit":
            sys.exit("enough")
        case "results":
            return Outcome({"an object": object()})
        case "artifact":
            context.report.artifact(
                Path(__file__), name="code.py", title="Code", media_type="text/x-python"
            )
        case _:
            os.kill(os.getpid(), 6)
    raise AssertionError(params.how)


class HogParams(PipelineParams):
    mib: int


def hog(_context: RunContext, params: HogParams) -> Outcome:
    """Take so much memory at once."""
    taken = [bytes(MIB) for _ in range(params.mib)]
    return Outcome({"mib": len(taken)})


def _pipeline(
    name: str, params: type[PipelineParams], run: Any, *, produces_model: bool = False
) -> Pipeline:
    return Pipeline(name, name, "0", "experiment", params, run, produces_model=produces_model)


TABLE = {
    pipeline.name: pipeline
    for pipeline in (
        _pipeline("count", CountParams, count),
        _pipeline("talk", TalkParams, talk),
        _pipeline("fail", FailParams, fail),
        _pipeline("hog", HogParams, hog),
        _pipeline("alone", AloneParams, alone),
        _pipeline("fit", FitParams, fit, produces_model=True),
    )
}
