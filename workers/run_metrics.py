"""What the metrics tell of runs under way: their steps, their pace, the memory of their GPUs."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from workers.messages import Message

WINDOW_S = 30.0
"""Over how long a pace is taken: that of a run which takes no step any more is 0 by then."""
BY_PIPELINE = ("pipeline",)
"""Never by job: their ids would make a series each, for good."""


class _Told(NamedTuple):
    at: float
    step: int
    samples: int


class Tallies:
    """Of all runs of the worker since it began."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"torchkiln_training_{name}", text, BY_PIPELINE, registry=registry)

        self.steps = counter("steps", "Optimizer steps of jobs")
        self.samples = counter("samples", "Training rows that they were taken on")
        self.epochs = counter("epochs", "Epochs finished")


class RunMetrics:
    """Of one run. Its supervisor's thread writes, scrapes read."""

    def __init__(
        self,
        pipeline: str,
        tallies: Tallies,
        clock: Callable[[], float] = time.monotonic,
        *,
        leads: bool = True,
    ) -> None:
        """`leads`: whether rank 0 is here, which alone tells of steps."""
        self.pipeline = pipeline
        self.leads = leads
        self.gpus: dict[str, tuple[int, int]] = {}
        """By device: bytes that tensors take, and bytes that torch keeps for them."""
        self._steps = tallies.steps.labels(pipeline)
        self._samples = tallies.samples.labels(pipeline)
        self._epochs = tallies.epochs.labels(pipeline)
        self._clock = clock
        self._epoch = 0
        self._told = deque([_Told(clock(), 0, 0)])
        self._lock = threading.Lock()

    def begin(self, step: int, epoch: int) -> None:
        """Where the run goes on from."""
        self._epoch = epoch
        with self._lock:
            self._told = deque([_Told(self._clock(), step, 0)])

    def see(self, message: Message) -> None:
        """Take in a `progress` or `device` message; others are nothing to this."""
        kind = message["type"]
        if kind == "device":
            sizes = message["allocated_bytes"], message["reserved_bytes"]
            self.gpus = {**self.gpus, message["name"]: sizes}
        elif kind == "progress":
            self._epochs.inc(max(0, message["epoch"] - self._epoch))
            self._epoch = max(self._epoch, message["epoch"])
            self._tell(_Told(self._clock(), message["step"], message["samples"]))

    def _tell(self, now: _Told) -> None:
        with self._lock:
            before = self._told[-1]
            self._told.append(now)
            self._forget(now.at)
        self._steps.inc(max(0, now.step - before.step))
        self._samples.inc(max(0, now.samples - before.samples))

    def pace(self) -> tuple[float, float]:
        """→ steps and samples a second of late."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            first, last = self._told[0], self._told[-1]
        took = max(now - first.at, 1e-3)
        return (last.step - first.step) / took, (last.samples - first.samples) / took

    def silence_s(self) -> float:
        """Since it last told of a step."""
        with self._lock:
            return max(0.0, self._clock() - self._told[-1].at)

    def _forget(self, now: float) -> None:
        """One that is older stays, for the pace to begin at."""
        while len(self._told) > 1 and self._told[1].at < now - WINDOW_S:
            self._told.popleft()


class RunCollector(Collector):
    """Sums over the runs under way. Of one that ends its part is gone."""

    def __init__(self) -> None:
        self._runs: set[RunMetrics] = set()
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, run: RunMetrics) -> Generator[None]:
        """`run` is under way during the block."""
        with self._lock:
            self._runs.add(run)
        try:
            yield
        finally:
            with self._lock:
                self._runs.remove(run)

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            runs = [*self._runs]
        running, steps, samples, silence = (defaultdict[str, float](float) for _ in range(4))
        for run in runs:
            name = run.pipeline
            running[name] += 1
            if not run.leads:
                continue
            steps_s, samples_s = run.pace()
            steps[name] += steps_s
            samples[name] += samples_s
            silence[name] = max(silence[name], run.silence_s())
        for name, text, values in (
            ("torchkiln_jobs_running", "Jobs that this worker runs", running),
            ("torchkiln_training_steps_per_second", "Steps of those, together", steps),
            ("torchkiln_training_samples_per_second", "Rows of those, together", samples),
            ("torchkiln_training_silence_seconds", "Since the last step, at most", silence),
        ):
            gauge = GaugeMetricFamily(name, text, labels=BY_PIPELINE)
            for pipeline, value in values.items():
                gauge.add_metric((pipeline,), value)
            yield gauge
        yield _gpu_memory(runs)


def _gpu_memory(runs: Sequence[RunMetrics]) -> Metric:
    sums = defaultdict[tuple[str, str], int](int)
    for run in runs:
        for device, (allocated, reserved) in run.gpus.items():
            sums[device, "allocated"] += allocated
            sums[device, "reserved"] += reserved
    text = "What jobs take of a GPU: by their tensors, and as torch has reserved it"
    gauge = GaugeMetricFamily("torchkiln_gpu_memory_bytes", text, labels=("device", "kind"))
    for labels, value in sums.items():
        gauge.add_metric(labels, value)
    return gauge
