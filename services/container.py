"""The collaborators of a process, built once from its settings and handed in from here."""

from __future__ import annotations

import socket
from pathlib import Path

from services.attempt_files import AttemptFiles
from services.attempts import Attempts
from services.backend_choices import BackendChoices
from services.bases import Bases
from services.benchmark_runs import BenchmarkRuns
from services.benchmarks import Benchmarks
from services.catalogue import Catalogue
from services.datasets import Datasets
from services.db.engine import Database
from services.deliveries import Deliveries
from services.events import Events
from services.file_cache import FileCache
from services.health import Health
from services.imports import Imports
from services.job_control import JobControl
from services.jobs import Jobs
from services.keys import Keys
from services.notices import Notices, notices_of
from services.object_storage import ObjectStorage
from services.queue import CeleryQueue, Queue
from services.registry import Registry
from services.remeasurer import Remeasurer
from services.seats import Seats
from services.settings import Settings
from services.storage import FileStorage, Storage
from services.sweeper import Sweeper
from services.tracing import OFF, Tracing
from services.webhook_sender import WebhookSender
from services.workers import Workers


class Container:
    """Opens no connection until something is used."""

    def __init__(
        self,
        settings: Settings,
        *,
        queue: Queue | None = None,
        notices: Notices | None = None,
        tracing: Tracing = OFF,
    ) -> None:
        self.settings = settings
        self.tracing = tracing
        self.host = socket.gethostname()
        self.notices = notices or notices_of(settings.redis_url)
        self.db = Database(
            settings.sqlalchemy_url,
            pool_size=settings.database_pool_size,
            tell=self.notices.publish,
        )
        self.storage = storage_of(settings)
        self.queue: Queue = queue or CeleryQueue(settings.redis_url, tracing)
        self.pipelines = Catalogue()
        self.datasets = Datasets(self.db, self.storage, settings.downloads_dir)
        self.events = Events(self.db)
        self.deliveries = Deliveries(self.db)
        self.webhook_sender = WebhookSender(self.deliveries, settings)
        self.jobs = Jobs(self.db, self.queue, self.pipelines, self.datasets, settings)
        self.job_control = JobControl(self.db, self.queue, self.pipelines, self.datasets)
        self.attempts = Attempts(self.db, self.queue, settings)
        self.seats = Seats(self.db, self.queue, settings)
        self.attempt_files = AttemptFiles(self.db, self.storage)
        self.registry = Registry(self.db, self.storage, self.host)
        self.imports = Imports(self.db, self.storage, self.registry, settings)
        self.backend_choices = BackendChoices(self.db)
        self.bases = Bases(self.pipelines, self.registry)
        self.benchmarks = Benchmarks(self.db, self.queue, self.registry)
        self.benchmark_runs = BenchmarkRuns(self.db, self.storage, self.queue, settings, self.host)
        self.sweeper = Sweeper(self.db, self.queue, self.attempts, self.benchmark_runs, settings)
        self.remeasurer = Remeasurer(self.db, self.queue, self.host, settings.auto_benchmark)
        self.keys = Keys(self.db)
        self.workers = Workers(self.db, settings)
        self.health = Health(self.db, self.queue)

    def close(self) -> None:
        self.imports.close()
        self.queue.close()
        self.notices.close()
        self.db.close()
        self.tracing.close()


def storage_of(settings: Settings) -> Storage:
    """Files in a directory, which several hosts may share, or objects behind a cache."""
    url = settings.storage_url
    if not url:
        return FileStorage(settings.files_dir)
    if url.startswith("file://"):
        return FileStorage(Path(url.removeprefix("file://")))
    return ObjectStorage(url, FileCache(settings.cache_dir, settings.cache_bytes))
