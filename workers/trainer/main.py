"""`python -m workers.trainer`: warm up, wait for one spec, run it, say how it ended, leave."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, get_args

from setproctitle import setproctitle

from models.pipelines import PIPELINES
from models.pipelines.base import Pipeline
from services import logging
from workers.messages import Message, TrainSpec
from workers.trainer import failures, memory, warm
from workers.trainer.benchmark import run_benchmark
from workers.trainer.channel import Channel, Controls
from workers.trainer.launch import RANK, launch
from workers.trainer.reporter import ChannelReporter
from workers.trainer.train import train
from workers.trainer.warm import Prepared


def main(
    pipelines: Mapping[str, Pipeline] = PIPELINES,
    prepare: Callable[[int], Prepared] = warm.up,
    rank: Sequence[str] = RANK,
) -> NoReturn:
    """`prepare` is given the number of threads to use. `rank` is what Python does in each process
    of a job that has several."""
    arguments = _arguments()
    setproctitle("torchkiln: trainer idle")
    memory.offer()
    logging.configure("trainer", level=arguments.log_level, log_format=arguments.log_format)
    channel = Channel(arguments.messages)
    controls = Controls(_take_stdin())
    controls.start()
    prepared = prepare(arguments.threads)
    channel.send({"type": "ready", "devices": prepared.devices, "versions": prepared.versions})
    spec = controls.spec()
    setproctitle(f"torchkiln: trainer {spec.subject}")
    logging.bind(**spec.bound)
    os.chdir(spec.workdir)  # what a run writes without saying where is removed with it
    device = spec.device if isinstance(spec, TrainSpec) and not spec.ranks else "cpu"
    traced = isinstance(spec, TrainSpec) and spec.traceparent is not None
    report = ChannelReporter(channel, controls, Path(spec.workdir), device, traced=traced)
    if isinstance(spec, TrainSpec) and spec.ranks:
        given = {"threads": arguments.threads, "memory_bytes": arguments.memory_bytes}
        launched = partial(launch, spec, report.send, controls, command=rank, **given)
        last = _guarded(report, launched)
    elif isinstance(spec, TrainSpec):
        memory.limit(arguments.memory_bytes)
        last = _guarded(report, lambda: train(spec, report, pipelines))
    else:
        last = _guarded(report, lambda: run_benchmark(spec, report, prepared.default_threads))
    _leave(report, last)


def _guarded(report: ChannelReporter, run: Callable[[], Message]) -> Message:
    """→ the last word of `run`, whatever it raises: it may be anyone's code."""
    try:
        return run()
    except BaseException as error:
        memory.lift()
        if trace := failures.trace(error):
            report.send(trace)
        return failures.last_word(error)


def _leave(report: ChannelReporter, last: Message) -> NoReturn:
    try:
        report.send(last)
    except TypeError as error:  # results that have no JSON form
        report.send(failures.last_word(error))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # all is said; taking torch down in good order would only take time


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m workers.trainer", description=__doc__)
    parser.add_argument("--messages", type=int, required=True, help="descriptor to write them to")
    parser.add_argument("--threads", type=int, default=1, help="that torch may use")
    parser.add_argument("--memory-bytes", type=int, default=0, help="that a job may take")
    parser.add_argument("--log-level", default="info", choices=get_args(logging.Level))
    parser.add_argument("--log-format", default="json", choices=get_args(logging.Format))
    return parser.parse_args()


def _take_stdin() -> int:
    """The supervisor's pipe, out of reach of `input()`; a run finds its stdin at its end."""
    mine = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return mine
