"""A worker's figures in Prometheus' form, on a port of its own where a setting names one.

Counted whether or not anybody asks. A worker that is killed takes its counts along, so what it can
no longer say of its own end (a lost attempt, a lapsed lease) is counted by whoever sweeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.job_state import Outcome
from services.sweeper import SweepReport
from workers.pool import TrainerPool
from workers.run_metrics import BY_PIPELINE, RunCollector, RunMetrics, Tallies
from workers.slots import Slots

FILE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
KINDS = ("job", "benchmark")


class Metrics:
    """What is counted by whoever does it; a gauge of what is there is asked for at each scrape."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry(auto_describe=False)
        self.runs = RunCollector()
        registry.register(self.runs)
        self._tallies = Tallies(registry)
        self._attempts = Counter(
            "torchkiln_attempts",
            "Attempts at jobs that have ended",
            (*BY_PIPELINE, "outcome"),
            registry=registry,
        )
        self._lost = Counter(
            "torchkiln_leases_lost",
            "Leases that this worker lost with the work in hand",
            ("kind",),
            registry=registry,
        )
        self._lapsed = Counter(
            "torchkiln_leases_lapsed",
            "Leases of any worker that this one's sweeps have found lapsed",
            registry=registry,
        )
        self._saved, self._stored = (
            Histogram(name, text, BY_PIPELINE, registry=registry, buckets=FILE_BUCKETS_S)
            for name, text in (
                ("torchkiln_checkpoint_save_seconds", "Writing a checkpoint in the trainer"),
                ("torchkiln_checkpoint_store_seconds", "Its way into storage and database"),
            )
        )
        self._heartbeat = Gauge(
            "torchkiln_worker_last_heartbeat_timestamp_seconds",
            "When the database last heard of this worker",
            registry=registry,
        )
        for kind in KINDS:
            self._lost.labels(kind)

    def run(self, pipeline: str, *, leads: bool = True) -> RunMetrics:
        return RunMetrics(pipeline, self._tallies, leads=leads)

    def attempt_ended(self, pipeline: str, outcome: Outcome) -> None:
        self._attempts.labels(pipeline, outcome.value).inc()

    def lease_lost(self, kind: str) -> None:
        """`kind` is one of `KINDS`."""
        self._lost.labels(kind).inc()

    def swept(self, report: SweepReport) -> None:
        self._lapsed.inc(report.lost)
        for pipeline in report.pipelines:
            self.attempt_ended(pipeline, Outcome.LOST)

    def checkpoint_saved(self, pipeline: str, took_s: float) -> None:
        self._saved.labels(pipeline).observe(took_s)

    def checkpoint_stored(self, pipeline: str, took_s: float) -> None:
        self._stored.labels(pipeline).observe(took_s)

    def beaten(self) -> None:
        self._heartbeat.set_to_current_time()

    def watch(
        self, pool: TrainerPool, slots: Callable[[], Slots | None], gpus: Callable[[], Sizes]
    ) -> None:
        """Tell of these, too; `slots` is None while it is not known which there are."""
        self.registry.register(StockCollector(pool, slots, gpus))
        ProcessCollector(registry=self.registry)


Sizes = Mapping[str, int]
"""Bytes of memory by the names of devices."""


class StockCollector(Collector):
    """What a worker has, and what of it is taken."""

    def __init__(
        self, pool: TrainerPool, slots: Callable[[], Slots | None], gpus: Callable[[], Sizes]
    ) -> None:
        self._pool = pool
        self._slots = slots
        self._gpus = gpus

    def collect(self) -> Iterator[Metric]:
        slots = self._slots()
        there, taken = (slots.of_queue, slots.taken()) if slots is not None else ({}, {})
        pool = self._pool
        for name, text, label, values in (
            ("torchkiln_worker_slots", "Slots for jobs", "queue", there),
            ("torchkiln_worker_slots_busy", "Those that are taken", "queue", taken),
            ("torchkiln_trainers", "Trainer processes by state", "state", pool.states()),
            ("torchkiln_gpu_memory_total_bytes", "What a GPU has", "device", self._gpus()),
        ):
            gauge = GaugeMetricFamily(name, text, labels=(label,))
            for value, count in values.items():
                gauge.add_metric((value,), count)
            yield gauge
        started, failed = "Trainer processes started", "Those that ended before they were ready"
        yield CounterMetricFamily("torchkiln_trainers_started", started, pool.started)
        yield CounterMetricFamily("torchkiln_trainers_failed", failed, pool.failed)


@contextmanager
def served(metrics: Metrics, host: str, port: int) -> Generator[None]:
    """Answer scrapes during the block; `port` 0 does not. Raises OSError where it is taken."""
    if not port:
        yield
        return
    disable_created_metrics()  # a series more for each, which no query asks for
    server, thread = start_http_server(port, host, metrics.registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
