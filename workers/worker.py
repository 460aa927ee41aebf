"""A worker: warm trainers, a consumer of wake-up messages, and what keeps both in order."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import structlog

from services.container import Container
from services.db import migrate
from services.errors import Unavailable
from services.queue import RUN_BENCHMARK, RUN_JOB, RUN_RANKS
from services.workers import WorkerInfo
from workers.app import worker_app
from workers.benchmark_supervisor import BenchmarkSupervisor
from workers.consumer import Consumer
from workers.courier import Courier
from workers.devices import Devices
from workers.member import MemberSupervisor
from workers.metrics import Metrics, Sizes, served
from workers.periodic import Periodic
from workers.pool import TrainerPool
from workers.presence import Presence
from workers.process import COMMAND, TrainerProcess
from workers.runs import Runs
from workers.signals import Signals
from workers.slots import Slots, slots_for
from workers.station import Station, threads_per_job
from workers.supervisor import JobSupervisor
from workers.workdirs import WorkDirs

REMEASURE_S = 60.0
"""How often a worker looks whether figures of its host are out of date."""
STARTUP_S = 30.0
"""How long database and broker may take to answer when a worker starts."""
SAVE_S = 10.0
"""How long runs have to save a checkpoint when the worker has to leave."""
LEAVE_S = 20.0
"""How long leaving may take in all, before it is cut short."""

log: Any = structlog.get_logger(__name__)


class NotStarted(Exception):
    """A worker cannot begin; the message says why, and what to do."""


class Worker:
    def __init__(
        self,
        container: Container,
        *,
        trainer: Sequence[str] = COMMAND,
        startup_s: float = STARTUP_S,
    ) -> None:
        """`trainer` is the command of a trainer process."""
        settings = container.settings
        self.id = f"{container.host}-{os.getpid()}-{secrets.token_hex(3)}"
        self._container = container
        self._settings = settings
        self._startup_s = startup_s
        self._threads = threads_per_job(settings)
        self._runs = Runs()
        self._pool = TrainerPool(
            settings.job_slots,
            lambda changed: TrainerProcess(
                trainer,
                threads=self._threads,
                memory_bytes=settings.memory_per_job_bytes,
                on_change=changed,
            ),
        )
        info = WorkerInfo(self.id, container.host, os.getpid(), (), settings.job_slots)
        self._presence = Presence(container.workers, info, self._runs.subjects)
        self._workdirs: WorkDirs | None = None
        self._slots: Slots | None = None
        self._metrics = Metrics()
        self._metrics.watch(self._pool, lambda: self._slots, self._gpus)
        self._heartbeat = Periodic("heartbeat", settings.heartbeat_s, self._beat)
        self._sweeper = Periodic("sweeper", settings.heartbeat_s, self._sweep)
        self._remeasurer = Periodic("remeasurer", REMEASURE_S, container.remeasurer.run)
        self._courier = Courier(
            container.deliveries, container.webhook_sender, settings.heartbeat_s
        )
        self._webhooks = Periodic("webhooks", settings.heartbeat_s, self._courier.run)
        self._consumer: Consumer | None = None

    def run(self, signals: Signals) -> int:
        """Work until a signal comes. → the exit status. Raises `NotStarted`."""
        host, port = self._settings.worker_metrics_host, self._settings.worker_metrics_port
        with ExitStack() as stack:
            try:
                stack.enter_context(served(self._metrics, host, port))
            except OSError as error:
                raise NotStarted(
                    f"cannot listen on {host} port {port}: {error.strerror or error}; set "
                    "TORCHKILN_WORKER_METRICS_HOST and TORCHKILN_WORKER_METRICS_PORT to an "
                    "address that is free"
                ) from error
            return self._work(signals)

    def _work(self, signals: Signals) -> int:
        if not self._wait_for_parts(signals):
            return 0
        workdirs = self._workdirs = WorkDirs(self._settings.work_dir, self.id)
        self._pool.start()
        self._heartbeat.start()
        self._sweeper.start()
        self._webhooks.start()
        log.info("worker_started", worker=self.id, slots=self._settings.job_slots)
        try:
            asked = self._wait_for_trainer(signals)
            if asked is None:
                asked = self._consume(workdirs, signals)
            self._leave(signals, asked)
            return 0 if asked else 1
        finally:
            workdirs.close()

    def _beat(self) -> None:
        """Tell the health check of the container, and then everybody."""
        if self._workdirs is not None:
            self._workdirs.touch()
        self._presence.beat()
        self._metrics.beaten()

    def _sweep(self) -> None:
        self._metrics.swept(self._container.sweeper.sweep())

    def _gpus(self) -> Sizes:
        """Those of this host, and their memory."""
        devices = (self._pool.ready or {}).get("devices", ())
        return {one["name"]: one["memory_bytes"] for one in devices if "memory_bytes" in one}

    def _wait_for_parts(self, signals: Signals) -> bool:
        """Wait until database and broker answer. → False: a signal came meanwhile."""
        deadline = time.monotonic() + self._startup_s
        while problem := self._missing():
            if time.monotonic() > deadline:
                raise NotStarted(problem)
            log.info("waiting", reason=problem)
            if signals.wait(0.5) is not None:
                return False
        return True

    def _missing(self) -> str | None:
        for part, reason in self._container.health.check().items():
            if reason is not None:
                return f"{part}: {reason}"
        if not migrate.is_current(self._container.db):
            return "database: its schema is not current; run `python -m services.manage migrate`"
        return None

    def _wait_for_trainer(self, signals: Signals) -> int | None:
        """Wait for the first trainer, which knows the devices. → the signal that came instead."""
        while self._pool.ready is None:
            if (number := signals.wait(0.1)) is not None:
                return number
        return None

    def _consume(self, workdirs: WorkDirs, signals: Signals) -> int:
        """Take jobs until there is a reason not to. → the signal, 0 if the consumer failed."""
        ready = self._pool.ready or {}
        names = [device["name"] for device in ready["devices"]]
        slots = self._slots = slots_for(self._settings, names)
        self._pool.widen(slots.total - self._settings.job_slots)
        station = Station(
            self._container,
            self.id,
            self._pool,
            Devices(names),
            workdirs,
            self._runs,
            self._metrics,
        )
        tasks: dict[str, Callable[[str], None]] = {
            RUN_JOB: JobSupervisor(station).run,
            RUN_RANKS: MemberSupervisor(station).run,
            RUN_BENCHMARK: BenchmarkSupervisor(station).run,
        }
        app = worker_app(self._settings.redis_url, tasks, slots)
        queues = [*slots.of_queue]
        self._presence.change(queues=queues, devices=ready["devices"], slots=slots.total)
        self._heartbeat.soon()
        self._consumer = Consumer(app, f"torchkiln@{self.id}", slots, signals.poke)
        self._consumer.start()
        self._remeasurer.start()
        log.info("worker_ready", slots=dict(slots.of_queue), devices=names, threads=self._threads)
        return signals.wait() or 0

    def _leave(self, signals: Signals, first: int) -> None:
        """Hand back what is in hand, within `LEAVE_S` or until the `first` signal comes again.

        Another one may come with it: Ctrl-C reaches the whole group, and its leader passes it on
        as SIGTERM.
        """
        log.info("worker_leaving", in_hand=list(self._runs.subjects()))
        if self._consumer is not None:
            self._consumer.stop()
        self._pool.close()
        self._runs.release(SAVE_S)
        deadline = time.monotonic() + LEAVE_S
        while self._consumer is not None and not self._consumer.ended:
            left = deadline - time.monotonic()
            if left < 0 or signals.wait(left) == (first or None):
                log.error("worker_cut_short", in_hand=list(self._runs.subjects()))
                self._runs.kill()
                os._exit(1)
        self._courier.stop()
        for periodic in (self._heartbeat, self._sweeper, self._remeasurer, self._webhooks):
            periodic.stop()
        try:
            self._presence.leave()
        except Unavailable:  # its row goes when it has been silent for long enough
            log.warning("worker_left_untold")
        log.info("worker_left")
