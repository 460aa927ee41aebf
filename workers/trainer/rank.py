"""`python -m workers.trainer.rank`: one process of several that train together.

Like a trainer, but for what it is started by: its supervisor is the launcher. Rank 0 does all that
a trainer does; the others train along, and are quiet.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import structlog
import torch
from setproctitle import setproctitle

from models.parallel.distributed import PeerLost, join
from models.pipelines import PIPELINES
from models.pipelines.base import Pipeline
from services import logging
from workers.messages import Message, TrainSpec
from workers.trainer import failures, memory
from workers.trainer.channel import Channel, Controls
from workers.trainer.launch import PEER_LOST
from workers.trainer.lifeline import end_with
from workers.trainer.pipes import Pipes
from workers.trainer.reporter import ChannelReporter, QuietReporter
from workers.trainer.train import train

POLL_S = 0.02

log: Any = structlog.get_logger(__name__)


def main(pipelines: Mapping[str, Pipeline] = PIPELINES) -> NoReturn:
    arguments = _arguments()
    end_with(arguments.launcher)
    rank, local = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    pipes = Pipes(arguments.pipes)
    channel, controls = Channel(pipes.open_messages(local)), Controls(pipes.open_controls(local))
    controls.start()
    spec = controls.spec()
    assert isinstance(spec, TrainSpec)  # noqa: S101 - nothing else has ranks
    setproctitle(f"torchkiln: trainer {spec.subject} rank {rank}")
    logging.configure("trainer", level="info", log_format="json")
    logging.bind(**spec.bound, rank=rank)
    torch.set_num_threads(arguments.threads)
    own = _own(spec, rank, local)
    reporter = ChannelReporter if rank == 0 else QuietReporter
    os.chdir(own.workdir)
    traced = rank == 0 and spec.traceparent is not None
    report = reporter(channel, controls, Path(own.workdir), own.device, traced=traced)
    meeting = pipes.directory / "meeting" if spec.rendezvous is None else None
    last = _run(own, rank, report, pipelines, meeting, arguments.memory_bytes)
    if rank != 0 and last["type"] != "error":
        _wait_for_rank_0(controls)
    _leave(report, last)


def _own(spec: TrainSpec, rank: int, local: int) -> TrainSpec:
    """The rank's part in it. What another than rank 0 writes is for nobody."""
    workdir = Path(spec.workdir)
    if rank != 0:
        workdir = workdir / "ranks" / str(local)
        workdir.mkdir()
    return replace(spec, device=spec.ranks[local], workdir=str(workdir))


def _run(
    spec: TrainSpec,
    rank: int,
    report: ChannelReporter,
    pipelines: Mapping[str, Pipeline],
    meeting: Path | None,
    memory_bytes: int,
) -> Message:
    """→ the last word, unless another rank is gone."""
    try:
        memory.limit(memory_bytes)
        ranks = join(rank, int(os.environ["WORLD_SIZE"]), spec.device, meeting)
        report.log(f"rank {rank} of {ranks.size} is ready", device=spec.device, pid=os.getpid())
        return train(spec, report, pipelines, ranks)
    except PeerLost as error:
        log.warning("peer_lost", reason=str(error))
        _end(PEER_LOST)
    except BaseException as error:
        memory.lift()
        if trace := failures.trace(error):
            report.send(trace)
        return failures.last_word(error)


def _wait_for_rank_0(controls: Controls) -> None:
    """An end of this process would break off what rank 0 may still be reading."""
    while controls.reason is None:
        time.sleep(POLL_S)


def _leave(report: ChannelReporter, last: Message) -> NoReturn:
    """An error is said by the exit status too, so that the launcher ends the other ranks."""
    try:
        report.send(last)
    except TypeError as error:  # results that have no JSON form
        last = failures.last_word(error)
        report.send(last)
    _end(1 if last["type"] == "error" else 0)


def _end(status: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m workers.trainer.rank", description=__doc__)
    parser.add_argument("--pipes", type=Path, required=True, help="their directory")
    parser.add_argument("--launcher", type=int, required=True, help="its process id")
    parser.add_argument("--threads", type=int, required=True, help="that torch may use")
    parser.add_argument("--memory-bytes", type=int, default=0, help="that the rank may take")
    return parser.parse_args()


if __name__ == "__main__":
    main()
