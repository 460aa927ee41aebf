"""The other hosts of an attempt, as its leader sees them: called for, and watched."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog

from models.parallel.interfaces import LOOPBACK, towards
from services.claims import Claim, ResumePoint
from services.seats import Loss
from services.settings import Settings
from services.waiting import fewest_hosts
from workers.keeper import LOOK_S, Keeper
from workers.lease import LeaseLost
from workers.messages import Message
from workers.process import TrainerProcess
from workers.station import Station

PEER_LOST = "peer_lost"
"""The code of ranks that have ended because of others."""
TOO_FEW, HOST_LOST = "too few hosts", "host lost"
"""Why a leader kills its trainer."""
CAUSE_S = 3.0
"""How long a host may take to say what its ranks have failed with."""

log: Any = structlog.get_logger(__name__)


class Gathering:
    """Of a job with one host there is nothing to do, and all of this does nothing."""

    def __init__(
        self, station: Station, claim: Claim, trainer: TrainerProcess, keeper: Keeper
    ) -> None:
        self._settings = station.container.settings
        self._seats = station.container.seats
        self._claim = claim
        self._trainer = trainer
        self._keeper = keeper
        self._address: str | None = None
        self._device = ""
        self._checkpoint_id: str | None = None
        self._call_at = 0.0
        self._give_up_at = 0.0
        self._look_at: float | None = None
        self._complete = False
        self._released = False
        self._loss: Loss | None = None

    def begin(self, devices: Sequence[str], resumed_from: ResumePoint | None) -> str | None:
        """→ the address at which the trainer is to be met; None: there is only this host. Raises
        OSError where that of the setting is not known."""
        self._device = devices[0].partition(":")[0]
        self._checkpoint_id = None if resumed_from is None else resumed_from.id
        if self._claim.job.hosts > 1:
            self._address = own_address(self._settings)
        return self._address

    def see(self, message: Message) -> None:
        """The trainer can be met, or needs the others no more. Raises `LeaseLost`."""
        if message["type"] == "rendezvous":
            self._open(f"{self._address}:{message['port']}")
        elif message["type"] == "trained" and self._look_at is not None:
            self._look_at = None
            self._keeper.insist(lambda: self._seats.let_go(self._claim))

    def _open(self, endpoint: str) -> None:
        place = endpoint, self._device, self._checkpoint_id
        if not self._keeper.insist(lambda: self._seats.put_out(self._claim, *place)):
            raise LeaseLost
        now = time.monotonic()
        self._give_up_at = now + self._settings.gather_s
        self._call_at = now + self._settings.heartbeat_s
        self._look_at = now

    def patience(self) -> float | None:
        """Seconds until the next look; None: there is nothing to look at."""
        return None if self._look_at is None else max(0.0, self._look_at - time.monotonic())

    def look(self) -> None:
        """See who has come or gone, if it is time. The run begins when all are there; too few, or
        one less, is the end of its trainer. Raises `LeaseLost`."""
        now = time.monotonic()
        if self._look_at is None or now < self._look_at:
            return
        self._look_at = now + min(LOOK_S, self._settings.heartbeat_s)
        if self._complete:
            self._watch()
        else:
            self._gather(now)

    def cause(self) -> Loss | None:
        """What the run has lost another host by; None where no host says. Raises `LeaseLost`."""
        deadline = time.monotonic() + CAUSE_S
        while self._complete and not _says(self._loss) and time.monotonic() < deadline:
            losses = self._keeper.insist(lambda: self._seats.losses(self._claim))
            gone = [loss for loss in losses if not loss.leaves]
            self._loss = next(filter(_says, gone), gone[0] if gone else self._loss)
            time.sleep(LOOK_S / 10)
        return self._loss

    def _gather(self, now: float) -> None:
        """Who has come is counted once all have, or when the time is over."""
        over = now >= self._give_up_at
        job = self._claim.job
        fewest = fewest_hosts(job) if over else job.hosts
        taken = self._keeper.insist(lambda: self._seats.fill(self._claim, fewest))
        if taken is not None:
            log.info("hosts_gathered", seats=taken)
            self._complete = True
            self._trainer.seat([0, *taken])
        elif over:
            self._trainer.kill(TOO_FEW)
        elif now >= self._call_at:
            self._call_at = now + self._settings.heartbeat_s
            self._keeper.insist(lambda: self._seats.call_again(self._claim))

    def _watch(self) -> None:
        losses = self._keeper.insist(lambda: self._seats.losses(self._claim))
        if not losses:
            return
        self._loss = loss = min(losses, key=lambda one: one.leaves)
        if not loss.leaves:
            log.warning("host_lost", worker=loss.worker, reason=loss.message)
            self._look_at = None
            self._trainer.kill(HOST_LOST)
        elif not self._released:
            log.info("host_leaves", worker=loss.worker)
            self._released = True
            self._trainer.control("release")


def own_address(settings: Settings) -> str:
    """Where other hosts reach this one: as the setting says, or else by the way to the broker,
    which all of them know. Raises OSError where the setting's name is not known."""
    if settings.rendezvous_host:
        return str(socket.getaddrinfo(settings.rendezvous_host, 0)[0][4][0])
    broker = urlsplit(settings.redis_url)
    return towards(broker.hostname or "localhost", broker.port or 6379) or LOOPBACK


def _says(loss: Loss | None) -> bool:
    """Whether it is more than that its ranks have lost others."""
    return loss is not None and loss.code != PEER_LOST and not loss.leaves
