"""The service's figures in Prometheus' form, read from plain counters when they are asked for.

What is counted is the sum over the API processes of a host that share a data directory: a scrape of
their port meets one of them. What a process takes (memory, time, files) is of that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

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

from api.figures import Figures
from services import counts
from services.container import Container
from services.db.tables import Benchmark, Job
from services.errors import Unavailable
from services.job_state import JobStatus
from services.serving.stats import BUCKETS_S

MODEL_LABELS = ("model", "version", "backend")


def registry(container: Container, figures: Callable[[], Figures]) -> CollectorRegistry:
    """`figures` gathers what is counted, once for each scrape."""
    made = CollectorRegistry(auto_describe=False)
    made.register(CountCollector(figures))
    made.register(WorkCollector(container))
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    return made


def exposition(made: CollectorRegistry) -> bytes:
    return generate_latest(made)


class CountCollector(Collector):
    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures()
        yield from _http(figures)
        yield from _predictions(figures)
        for name, text, value in (
            ("torchkiln_models_loaded", "Runners in memory", figures.models_loaded),
            ("torchkiln_models_bytes", "Their files' sizes", figures.models_bytes),
            ("torchkiln_api_processes", "API processes counted here", figures.processes),
        ):
            yield GaugeMetricFamily(name, text, value)


def _http(figures: Figures) -> Iterator[Metric]:
    labels = ("method", "route", "status")
    requests = CounterMetricFamily("torchkiln_http_requests", "Requests by route", labels=labels)
    histogram = HistogramMetricFamily(
        "torchkiln_http_request_duration_seconds", "Requests by route", labels=labels
    )
    for key, stats in figures.routes.items():
        values = (key.method, key.route, str(key.status))
        requests.add_metric(values, stats.count)
        histogram.add_metric(values, _buckets(stats.buckets), stats.seconds)
    yield from (requests, histogram)


def _predictions(figures: Figures) -> Iterator[Metric]:
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
    for key, stats in figures.predictions.items():
        labels = (key.name, str(key.version), key.backend)
        predictions.add_metric((*labels, "success"), stats.successes)
        predictions.add_metric((*labels, "failure"), stats.failures)
        rows.add_metric(labels, stats.rows)
        inference.add_metric(labels, stats.infer_ns / 1e9)
        duration.add_metric(labels, _buckets(stats.buckets), stats.success_ns / 1e9)
    yield from (predictions, rows, inference, duration)


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
