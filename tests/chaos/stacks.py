"""A whole service of real processes, to be killed piece by piece."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from services.container import Container
from services.db import migrate
from services.settings import Settings
from tests.chaos.apis import Api
from tests.support import postgres, valkey
from tests.torchkiln.upstack import alive, processes
from tests.workers.waiting import wait_for
from tests.workers.worker_processes import WorkerProcess, ready

WORKER = ("-m", "workers")
"""The worker as it is, with the pipelines as they are."""
STUBS = ("-m", "tests.workers.stub_worker")
"""A worker whose trainers have the pipelines of the tests, and import no torch."""
EXACT = ("-m", "tests.chaos.worker", "exact")
"""One whose trainers have a real training, without what publishing takes."""
INSTANT = ("-m", "tests.chaos.worker", "instant")
"""One whose trainers say `done` at once, whatever they are asked for."""

DEFAULTS = {"TORCHKILN_HEARTBEAT_S": "5"}
"""The worker's own settings: its class has a short heartbeat for other tests."""
BRISK = {"TORCHKILN_LEASE_S": "6", "TORCHKILN_RESEND_AFTER_S": "1"}
"""What a short form waits for; a lease of fewer seconds may lapse on a busy machine by itself."""

EMBEDDED = "SQLite and Valkey"
SERVERS = "PostgreSQL and Redis"
REDIS = shutil.which("redis-server")


class Stack:
    """Broker and database run already; workers and API processes are started as asked for."""

    def __init__(
        self, kind: str, directory: Path, broker: valkey.Valkey, database_url: str
    ) -> None:
        self.kind = kind
        self.directory = directory
        self.broker = broker
        self.settings = Settings(
            data_dir=directory / "data", redis_url=broker.url, database_url=database_url
        )
        self.settings.data_dir.mkdir(parents=True)
        self.container = Container(self.settings)
        migrate.upgrade(self.container.db)
        self.workers: list[WorkerProcess] = []
        self._apis: list[Api] = []

    def worker(self, *command: str, **variables: str) -> WorkerProcess:
        log = self.directory / f"worker-{len(self.workers)}.log"
        url = {"TORCHKILN_DATABASE_URL": self.settings.database_url}
        self.workers.append(WorkerProcess(self.settings, log, *command, **url, **variables))
        return self.workers[-1]

    def ready(self, worker: WorkerProcess) -> WorkerProcess:
        ready(self.container, worker)
        return worker

    def api(self) -> Api:
        """An API process that answers. To be called from any thread."""
        made = Api(self.settings, self.directory)
        self._apis.append(made)
        made.start()
        return made

    def close(self) -> None:
        """End all of it, what is stopped or lost included."""
        for api in self._apis:
            api.kill()
        below = [pid for worker in self.workers for pid in children(worker.process.pid)]
        for worker in self.workers:
            worker.process.kill()
            worker.wait()
        told = [line["trainer_pid"] for w in self.workers for line in w.said("attempt_started")]
        for pid in {*below, *told}:
            with suppress(ProcessLookupError):  # one that is stopped sees no end of its input
                os.kill(pid, signal.SIGCONT)
            wait_for(lambda pid=pid: not alive(pid), "the trainers to end")
        self.container.close()


def children(pid: int) -> list[int]:
    return [child for parent, child, _ in processes() if parent == pid]


@contextmanager
def embedded(directory: Path) -> Generator[Stack]:
    """What `torchkiln up` has: SQLite, and the server of the wheel."""
    with valkey.server(directory / "broker") as broker:
        yield from _used(Stack(EMBEDDED, directory, broker, ""))


@contextmanager
def servers(directory: Path, bin_dir: Path, redis: Path) -> Generator[Stack]:
    """PostgreSQL that syncs its commits, and Redis."""
    with ExitStack() as running:
        broker = running.enter_context(valkey.server(directory / "broker", redis))
        url = running.enter_context(postgres.server(bin_dir, durable=True))
        yield from _used(Stack(SERVERS, directory, broker, url))


def _used(stack: Stack) -> Generator[Stack]:
    try:
        yield stack
    finally:
        stack.close()
