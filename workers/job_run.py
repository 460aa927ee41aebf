"""One attempt at a job: what its trainer says, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog

from services.attempt_files import NewArtifact, NewCheckpoint
from services.attempts import Report
from services.claims import Claim, ResumePoint
from services.job_state import Outcome
from workers import oom, publication, resume_point
from workers.endings import Endings
from workers.journal import Journal
from workers.keeper import LEASE, Keeper
from workers.lease import LeaseLost
from workers.limits import StallWatch, time_limit
from workers.messages import LAST_WORDS, Message
from workers.preparation import prepare
from workers.process import Exit, TrainerProcess
from workers.station import Station

log: Any = structlog.get_logger(__name__)

T = TypeVar("T")


class JobRun:
    def __init__(
        self,
        station: Station,
        claim: Claim,
        trainer: TrainerProcess,
        keeper: Keeper,
        claimed_at: float,
    ) -> None:
        """`claimed_at`: the monotonic clock before the claim was made."""
        self._station = station
        self._claim = claim
        self._trainer = trainer
        self._keeper = keeper
        self._claimed_at = claimed_at
        settings = station.container.settings
        self._stall = StallWatch(trainer, settings.stall_timeout_s)
        self._endings = Endings(claim, settings)
        self._oom_kills = oom.kills()
        self._attempts = station.container.attempts
        self._files = station.container.attempt_files
        self._journal = Journal(self._record)
        self._publication: Mapping[str, Any] | None = None
        self._checkpoint_sha256: str | None = None
        self._resumed_from: ResumePoint | None = None

    def run(self, devices: Sequence[str], workdir: Path) -> None:
        """`devices`: one for each process. Raises `LeaseLost`, OSError where a file cannot be
        stored, `DatasetUnavailable` and `BaseUnavailable`."""
        prepared = prepare(self._station.container, self._claim, self._keeper)
        self._resumed_from = prepared.resumed_from
        self._trainer.start(prepared.spec(devices, workdir))
        self._record(Report(placed_device=_placed(devices)))
        self._stall.begin()
        with time_limit(self._trainer, self._claim, self._claimed_at):
            last = self._listen()
        self._end(last)

    def finish(self, outcome: Outcome, *, code: str = "", message: str = "") -> None:
        """End the attempt otherwise than well. Raises `LeaseLost`."""
        status = self._held(
            self._keeper.insist(
                lambda: self._attempts.finish(self._claim, outcome, code=code, message=message)
            )
        )
        log.info("attempt_ended", outcome=outcome.value, code=code or None, job_status=status.value)

    def _listen(self) -> Message | Exit:
        """Take in what the trainer says. → its last word, or its end if there was none."""
        while True:
            message = self._trainer.next(self._journal.patience())
            if message is None:
                self._journal.flush()
            elif isinstance(message, Exit) or message["type"] in LAST_WORDS:
                self._journal.flush()
                return message
            else:
                self._take(message)

    def _take(self, message: Message) -> None:
        self._stall.see(message)
        match message["type"]:
            case "progress" | "metrics" | "log":
                self._journal.add(message)
            case "checkpoint":
                self._add_checkpoint(message)
            case "artifact":
                self._add_artifact(message)
            case "resumed":
                self._resumed(message)
            case "trained":
                self._station.pool.spare(self._trainer)
            case "published":
                self._publication = message["publication"]
            case "trace":
                log.warning("pipeline_failed", traceback=message["text"])
            case other:
                log.warning("trainer_message_unknown", type=other)

    def _add_checkpoint(self, message: Message) -> None:
        self._journal.flush()
        new = NewCheckpoint(**_fields(message))
        with self._stall.aside():
            self._held(self._keeper.insist(lambda: self._files.add_checkpoint(self._claim, new)))
        self._checkpoint_sha256 = new.sha256

    def _add_artifact(self, message: Message) -> None:
        self._journal.flush()
        new = NewArtifact(**_fields(message))
        with self._stall.aside():
            self._held(self._keeper.insist(lambda: self._files.add_artifact(self._claim, new)))

    def _resumed(self, message: Message) -> None:
        """Whether the run is what it would have been without the interruption."""
        self._journal.flush()
        told = [] if message["exact"] else [resume_point.inexact(message["differences"])]
        self._record(Report(told, exact=message["exact"]))

    def _end(self, last: Message | Exit) -> None:
        oom_killed = oom.kills() > self._oom_kills
        if isinstance(last, Exit):
            if last.why == LEASE:
                raise LeaseLost
            if last.why is None:
                log.warning("trainer_lost", returncode=last.returncode, stderr=last.stderr)
            ending = self._endings.untold(last, oom_killed=oom_killed)
        elif last["type"] == "done":
            self._succeed(last)
            return
        else:
            ending = self._endings.said(last, oom_killed=oom_killed)
        if ending.code == "checkpoint_corrupt" and self._resumed_from is not None:
            self._pass_over(self._resumed_from, ending.message)
        self.finish(ending.outcome, code=ending.code, message=ending.message)

    def _pass_over(self, point: ResumePoint, reason: str) -> None:
        """Its bytes are as they were saved, so that only a trainer could find out."""
        told = [resume_point.unreadable(point, reason)]
        abandon = self._files.abandon
        if not self._keeper.insist(lambda: abandon(self._claim, [point.id], told)):
            raise LeaseLost

    def _succeed(self, last: Message) -> None:
        version, published = None, self._publication
        if published is not None:
            lineage = publication.lineage(
                self._claim,
                last["lineage"],
                checkpoint_sha256=self._checkpoint_sha256,
                versions=(self._trainer.ready or {}).get("versions", {}),
            )
            storage = self._station.container.storage
            version = self._keeper.insist(
                lambda: publication.store(published, self._claim, storage, lineage)
            )
        done = self._keeper.insist(
            lambda: self._attempts.succeed(self._claim, last["results"], version)
        )
        if not done:
            raise LeaseLost
        log.info("attempt_ended", outcome=Outcome.SUCCEEDED.value)

    def _record(self, report: Report) -> None:
        if not self._keeper.insist(lambda: self._attempts.record(self._claim, report)):
            raise LeaseLost

    def _held(self, written: T | None) -> T:
        if written is None:
            raise LeaseLost
        return written


def _placed(devices: Sequence[str]) -> str:
    """The device, or the kind of several."""
    return devices[0] if len(set(devices)) == 1 else devices[0].partition(":")[0]


def _fields(message: Message) -> dict[str, Any]:
    fields = {name: value for name, value in message.items() if name != "type"}
    return {**fields, "path": Path(message["path"])}
