"""A seat in somebody else's attempt: ranks of this host, which train along and say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from models.errors import BaseUnavailable, DatasetUnavailable
from services.db.tables import Job
from services.logging import bound
from services.seats import SeatClaim
from services.waiting import per_host
from workers.keeper import LEASE, Keeper
from workers.lease import LeaseLost, SeatLease
from workers.messages import LAST_WORDS, Message
from workers.preparation import prepare, that_of_the_leader
from workers.process import Exit, TrainerProcess, how_it_ended
from workers.station import Station
from workers.supervisor import names

log: Any = structlog.get_logger(__name__)


class MemberSupervisor:
    """Writes to nothing but its seat: events, metrics and checkpoints are the leader's."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def run(self, job_id: str) -> None:
        """Take a seat in an attempt at the job, if there is one, and keep it to its end."""
        seats, worker = self._station.container.seats, self._station.worker
        with bound(job_id=job_id):
            self._station.take_up(lambda: seats.take(job_id, worker, self._fits), self._sit)

    def _fits(self, device: str, job: Job) -> bool:
        return self._station.devices.fit(device, per_host(job))

    def _sit(self, seat: SeatClaim, trainer: TrainerProcess, claimed_at: float) -> None:
        container = self._station.container
        lease = SeatLease(container.seats, seat)
        with (
            bound(**names(seat.claim), seat=seat.number),
            Keeper(lease, trainer, container.settings, claimed_at) as keeper,
        ):
            log.info("seat_taken", endpoint=seat.endpoint, trainer_pid=trainer.pid)
            try:
                code, message = self._follow(seat, trainer, keeper)
                keeper.insist(lambda: container.seats.leave(seat, code, message))
                log.info("seat_left", code=code, reason=message)
            except LeaseLost:
                log.info("seat_over")
            except Exception:
                log.exception("seat_abandoned")

    def _follow(self, seat: SeatClaim, trainer: TrainerProcess, keeper: Keeper) -> tuple[str, str]:
        """→ what its processes have ended with before the attempt did. Raises `LeaseLost`, the
        usual end: the leader needs it no more."""
        station, job = self._station, seat.claim.job
        name = f"{job.id}-{seat.claim.number}-{seat.number}"
        try:
            with (
                station.devices.use(seat.device, per_host(job)) as devices,
                station.workdirs.make(name) as workdir,
                station.runs.hold(job.id, trainer, saves=True),
            ):
                return self._train(seat, trainer, keeper, devices, workdir)
        except (DatasetUnavailable, BaseUnavailable) as error:
            return error.code, str(error)
        except OSError as error:
            log.exception("seat_not_prepared")
            return "lost", f"a file could not be read: {error.strerror}"

    def _train(
        self,
        seat: SeatClaim,
        trainer: TrainerProcess,
        keeper: Keeper,
        devices: Sequence[str],
        workdir: Path,
    ) -> tuple[str, str]:
        prepared = prepare(self._station.container, seat.claim, keeper, that_of_the_leader)
        place: dict[str, Any] = {"rendezvous": seat.endpoint, "seat": seat.number}
        trainer.start(prepared.spec(devices, workdir, **place))
        metrics = self._station.metrics
        seen = metrics.run(seat.claim.job.pipeline, leads=False)
        with metrics.runs.hold(seen):
            while True:
                message = trainer.next()
                if isinstance(message, Exit):
                    return _untold(message)
                if message is not None and message["type"] in LAST_WORDS:
                    return _said(message)
                if message is not None:
                    seen.see(message)
                    self._take(seat, keeper, message)

    def _take(self, seat: SeatClaim, keeper: Keeper, message: Message) -> None:
        match message["type"]:
            case "device":  # which was for the metrics
                pass
            case "leaving":
                keeper.insist(lambda: self._station.container.seats.leaving(seat))
            case "log":
                log.info("rank_said", level_said=message["level"], said=message["message"])
            case "trace":
                log.warning("pipeline_failed", traceback=message["text"])
            case other:
                log.warning("trainer_message_unknown", type=other)


def _said(last: Message) -> tuple[str, str]:
    if last["type"] == "error":
        return last["code"], last["message"]
    return "lost", "the ranks of a host have ended before the run"


def _untold(end: Exit) -> tuple[str, str]:
    if end.why == LEASE:
        raise LeaseLost
    if end.why is not None:
        return "lost", "a host had to leave"
    return "lost", f"the trainer of a host {how_it_ended(end.returncode)}"
