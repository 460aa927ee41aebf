"""What the whole service has to do, asked of the database and of the broker at each scrape.

Nothing here takes longer for jobs that have ended: those are counted in the background.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services import counts
from services.container import Container
from services.counts import UNFINISHED, FinishedCounts
from services.db.tables import Benchmark, Job
from services.errors import Unavailable


class WorkCollector(Collector):
    """Leaves out what the database, or the broker, does not answer."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._ended_jobs = FinishedCounts(container.db, Job)
        self._ended_benchmarks = FinishedCounts(container.db, Benchmark)

    def collect(self) -> Iterator[Metric]:
        try:
            yield from self._rows()
            yield from self._messages()
        except Unavailable:
            return

    def _rows(self) -> Iterator[Metric]:
        db = self._container.db
        jobs = counts.by_status(db, Job, UNFINISHED)
        benchmarks = counts.by_status(db, Benchmark, UNFINISHED)
        queued, lapsed = counts.queued_jobs(db), counts.lapsed_jobs(db)
        workers = len(self._container.workers.list())
        jobs |= self._ended_jobs.latest()
        benchmarks |= self._ended_benchmarks.latest()
        yield _gauge("torchkiln_jobs", "Jobs by state", "status", jobs.items())
        yield _gauge("torchkiln_benchmarks", "Benchmarks by state", "status", benchmarks.items())
        yield _gauge("torchkiln_queue_depth", "Queued jobs by queue", "queue", queued.items())
        text = "Jobs whose lease has lapsed and that no worker has taken note of"
        yield GaugeMetricFamily("torchkiln_jobs_lapsed", text, lapsed)
        yield GaugeMetricFamily("torchkiln_workers", "Live workers", workers)

    def _messages(self) -> Iterator[Metric]:
        text = "Wake-up messages that no worker has fetched"
        waiting = self._container.queue.waiting()
        yield _gauge("torchkiln_queue_messages", text, "queue", waiting.items())


def _gauge(
    name: str, text: str, label: str, values: Iterable[tuple[str, int]]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, text, labels=(label,))
    for value, count in values:
        gauge.add_metric((str(value),), count)
    return gauge
