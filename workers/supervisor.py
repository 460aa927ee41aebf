"""The tasks behind the queue: take a trainer, claim the work, follow it to its end.

Nothing is raised out of here. What cannot be told to the database is left to the sweeper.
"""

from __future__ import annotations

from typing import Any

import structlog

from models.errors import BaseUnavailable, DatasetUnavailable
from services.claims import Claim
from services.db.tables import Job
from services.job_state import Outcome
from services.logging import bound
from services.waiting import per_host
from workers import spans
from workers.job_run import JobRun
from workers.keeper import Keeper
from workers.lease import JobLease, LeaseLost
from workers.process import TrainerProcess
from workers.spans import attempt_span
from workers.station import Station

log: Any = structlog.get_logger(__name__)


class JobSupervisor:
    def __init__(self, station: Station) -> None:
        self._station = station

    def run(self, job_id: str) -> None:
        """Make an attempt at a job, if there is one to make."""
        attempts, worker = self._station.container.attempts, self._station.worker
        with bound(job_id=job_id):
            self._station.take_up(lambda: attempts.claim(job_id, worker, self._fits), self._attempt)

    def _fits(self, job: Job) -> bool:
        return self._station.devices.fit(job.device, per_host(job))

    def _attempt(self, claim: Claim, trainer: TrainerProcess, claimed_at: float) -> None:
        container = self._station.container
        lease = JobLease(container.attempts, claim)
        with (
            bound(**names(claim)),
            attempt_span(container, claim),
            Keeper(lease, trainer, container.settings, claimed_at) as keeper,
        ):
            log.info("attempt_started", pipeline=claim.job.pipeline, trainer_pid=trainer.pid)
            try:
                self._follow(
                    claim, trainer, JobRun(self._station, claim, trainer, keeper, claimed_at)
                )
            except LeaseLost:
                self._station.metrics.lease_lost("job")
                spans.lost()
                log.warning("lease_lost")
            except Exception:
                log.exception("attempt_abandoned")

    def _follow(self, claim: Claim, trainer: TrainerProcess, run: JobRun) -> None:
        station = self._station
        name = f"{claim.job.id}-{claim.number}"
        try:
            with (
                station.devices.use(claim.job.device, per_host(claim.job)) as devices,
                station.workdirs.make(name) as workdir,
                station.runs.hold(claim.job.id, trainer, saves=True),
            ):
                run.run(devices, workdir)
        except (DatasetUnavailable, BaseUnavailable) as error:
            run.finish(Outcome.ERROR, code=error.code, message=str(error))
        except OSError as error:
            log.exception("file_not_stored")
            reason = f"a file could not be stored: {error.strerror}"
            run.finish(Outcome.LOST, code="storage_failed", message=reason)


def names(claim: Claim) -> dict[str, str | int]:
    """What every line of the attempt's log carries besides the job's id."""
    request_id = claim.job.request_id
    names: dict[str, str | int] = {"attempt": claim.number}
    return names if request_id is None else {**names, "request_id": request_id}
