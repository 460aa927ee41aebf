"""The service's figures in Prometheus' form, read from plain counters when they are asked for.

Each process tells of itself: with several of them on one port a scrape meets one at a time, so
give each a port of its own to sum them up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from api.http_stats import HttpStats
from services import counts
from services.container import Container
from services.db.tables import Benchmark, Job
from services.errors import Unavailable
from services.job_state import JobStatus
from services.serving.engine import Engine
from services.serving.stats import BUCKETS_S

MODEL_LABELS = ("model", "version", "backend")


def registry(container: Container, engine: Engine, http: HttpStats) -> CollectorRegistry:
    made = CollectorRegistry(auto_describe=False)
    for collector in (HttpCollector(http), ServingCollector(engine), WorkCollector(container)):
        made.register(collector)
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    return made


def exposition(made: CollectorRegistry) -> bytes:
    return generate_latest(made)


class HttpCollector(Collector):
    def __init__(self, stats: HttpStats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        labels = ("method", "route", "status")
        histogram = HistogramMetricFamily(
            "torchkiln_http_request_duration_seconds", "Requests by route", labels=labels
        )
        for key, stats in tuple(self._stats.routes.items()):
            values = (key.method, key.route, str(key.status))
            histogram.add_metric(values, _buckets(stats.buckets), stats.seconds)
        requests = CounterMetricFamily(
            "torchkiln_http_requests", "Requests by route", labels=labels
        )
        for key, stats in tuple(self._stats.routes.items()):
            requests.add_metric((key.method, key.route, str(key.status)), stats.count)
        yield requests
        yield histogram


class ServingCollector(Collector):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        predictions = CounterMetricFamily(
            "torchkiln_predictions", "Predictions", labels=(*MODEL_LABELS, "outcome")
        )
        rows = CounterMetricFamily("torchkiln_prediction_rows", "Rows", labels=MODEL_LABELS)
        inference = CounterMetricFamily(
            "torchkiln_inference_seconds", "Time spent in backends", labels=MODEL_LABELS
        )
        duration = HistogramMetricFamily(
            "torchkiln_prediction_duration_seconds",
            "From the request's bytes to the response's",
            labels=MODEL_LABELS,
        )
        for key, stats in tuple(self._engine.stats.items()):
            labels = (key.name, str(key.version), key.backend)
            predictions.add_metric((*labels, "success"), stats.successes)
            predictions.add_metric((*labels, "failure"), stats.failures)
            rows.add_metric(labels, stats.rows)
            inference.add_metric(labels, stats.infer_ns / 1e9)
            duration.add_metric(labels, _buckets(stats.buckets), stats.success_ns / 1e9)
        yield from (predictions, rows, inference, duration)
        cache = self._engine.cache
        yield GaugeMetricFamily("torchkiln_models_loaded", "Runners in memory", len(tuple(cache)))
        yield GaugeMetricFamily("torchkiln_models_bytes", "Their files' sizes", cache.used_bytes)


class WorkCollector(Collector):
    """What the whole service has to do; left out while the database does not answer."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def collect(self) -> Iterator[Metric]:
        try:
            jobs = counts.by_status(self._container.db, Job)
            benchmarks = counts.by_status(self._container.db, Benchmark)
            workers = len(self._container.workers.list())
        except Unavailable:
            return
        yield _gauge("torchkiln_jobs", "Jobs by state", jobs)
        yield _gauge("torchkiln_benchmarks", "Benchmarks by state", benchmarks)
        yield GaugeMetricFamily("torchkiln_workers", "Live workers", workers)


def _gauge(name: str, text: str, values: Mapping[JobStatus, int]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, text, labels=("status",))
    for status, count in values.items():
        gauge.add_metric((str(status),), count)
    return gauge


def _buckets(own: Sequence[int]) -> list[tuple[str, float]]:
    """Prometheus counts cumulatively."""
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), own, strict=True):
        total += count
        buckets.append((bound, total))
    return buckets
