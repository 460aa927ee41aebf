"""The service's figures in Prometheus' form, read from plain counters when they are asked for.

What is counted is the sum over the API processes of a host that share a data directory: a scrape of
their port meets one of them. What a process takes (memory, time, files) is of that one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

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
from api.work_metrics import WorkCollector
from services.container import Container
from services.serving.key import Key
from services.serving.stats import BUCKETS_S, STAGE_BUCKETS_S, PredictionStats

MODEL_LABELS = ("model", "version", "backend")
BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Upper bounds of the histogram of rows in a batch."""


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
        yield from _predictions(figures.predictions)
        yield from _stages(figures.predictions)
        yield _waiting(figures.waiting)
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
        histogram.add_metric(values, _cumulative(BUCKETS_S, stats.buckets), stats.seconds)
    yield from (requests, histogram)


def _predictions(counted: Mapping[Key, PredictionStats]) -> Iterator[Metric]:
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
    for key, stats in counted.items():
        labels = _labels(key)
        predictions.add_metric((*labels, "success"), stats.successes)
        predictions.add_metric((*labels, "failure"), stats.failures)
        rows.add_metric(labels, stats.rows)
        inference.add_metric(labels, stats.infer_ns / 1e9)
        buckets = _cumulative(BUCKETS_S, stats.buckets)
        duration.add_metric(labels, buckets, stats.success_ns / 1e9)
    yield from (predictions, rows, inference, duration)


def _stages(counted: Mapping[Key, PredictionStats]) -> Iterator[Metric]:
    """Where the time of predictions goes, and what batches are like."""
    spent = CounterMetricFamily(
        "torchkiln_prediction_stage_seconds",
        "Time of predictions by what it was spent on: reading, waiting, computing, answering",
        labels=(*MODEL_LABELS, "stage"),
    )
    queue, compute, batches = (
        HistogramMetricFamily(f"torchkiln_inference_{name}", text, labels=MODEL_LABELS)
        for name, text in (
            ("queue_seconds", "Predictions by how long they waited for the model"),
            ("compute_seconds", "Batches by how long the model took"),
            ("batch_rows", "Batches by their rows"),
        )
    )
    for key, stats in counted.items():
        labels = _labels(key)
        for stage in ("input", "queue", "infer", "output"):
            spent.add_metric((*labels, stage), max(getattr(stats, f"{stage}_ns"), 0) / 1e9)
        ran = tuple(stats.batches.items())
        took_ns = sum(ns for _, (_, ns) in ran)
        queue.add_metric(
            labels, _cumulative(STAGE_BUCKETS_S, stats.queue_buckets), stats.queue_ns / 1e9
        )
        compute.add_metric(
            labels, _cumulative(STAGE_BUCKETS_S, stats.compute_buckets), took_ns / 1e9
        )
        total = sum(rows * count for rows, (count, _) in ran)
        batches.add_metric(labels, _cumulative(BATCH_ROWS, _by_rows(ran)), total)
    yield from (spent, queue, compute, batches)


def _waiting(waiting: Mapping[Key, int]) -> Metric:
    gauge = GaugeMetricFamily(
        "torchkiln_inference_queue_depth", "Calls that wait or run", labels=MODEL_LABELS
    )
    for key, count in waiting.items():
        gauge.add_metric(_labels(key), count)
    return gauge


def _labels(key: Key) -> tuple[str, str, str]:
    return key.name, str(key.version), key.backend


def _by_rows(ran: Sequence[tuple[int, tuple[int, int]]]) -> Sequence[int]:
    """Batches in each bucket of `BATCH_ROWS`."""
    found = [0] * (len(BATCH_ROWS) + 1)
    for rows, (count, _) in ran:
        found[bisect_left(BATCH_ROWS, rows)] += count
    return found


def _cumulative(bounds: Sequence[float], own: Sequence[int]) -> list[tuple[str, float]]:
    """A histogram's buckets as Prometheus has them: each counts those below it, too."""
    return list(zip((*map(str, bounds), "+Inf"), accumulate(own), strict=True))
