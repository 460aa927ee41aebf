"""One attempt at a job: what its trainer says, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog

from services.attempt_files import NewArtifact, NewCheckpoint
from services.attempts import Report
from services.claims import Claim, ResumePoint
from services.job_state import Outcome
from workers import oom, publication, resume_point, spans
from workers.endings import TOO_FEW_HOSTS, Ending, Endings
from workers.gathering import HOST_LOST, PEER_LOST, Gathering
from workers.journal import Journal
from workers.keeper import LEASE, Keeper
from workers.lease import LeaseLost
from workers.limits import StallWatch, time_limit
from workers.messages import LAST_WORDS, Message
from workers.preparation import prepare
from workers.process import Exit, TrainerProcess
from workers.spans import TrainerSpans
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
        self._gathering = Gathering(station, claim, trainer, keeper)
        self._metrics = station.metrics
        self._seen = station.metrics.run(claim.job.pipeline)
        self._tracing = station.container.tracing
        self._spans = TrainerSpans(self._tracing)
        self._publication: Mapping[str, Any] | None = None
        self._checkpoint_sha256: str | None = None
        self._resumed_from: ResumePoint | None = None

    def run(self, devices: Sequence[str], workdir: Path) -> None:
        """`devices`: one for each process. Raises `LeaseLost`, OSError where a file cannot be
        stored, `DatasetUnavailable` and `BaseUnavailable`."""
        with self._tracing.span("prepare"):
            prepared = prepare(self._station.container, self._claim, self._keeper)
        self._resumed_from = prepared.resumed_from
        rendezvous = self._gathering.begin(devices, prepared.resumed_from)
        self._trainer.start(prepared.spec(devices, workdir, rendezvous=rendezvous))
        self._record(Report(placed_device=_placed(devices)))
        self._stall.begin()
        if (point := prepared.resumed_from) is not None:
            self._seen.begin(point.step, point.epoch)
        with (
            time_limit(self._trainer, self._claim, self._claimed_at),
            self._metrics.runs.hold(self._seen),
            self._spans,
        ):
            last = self._listen()
        self._end(last)

    def finish(
        self, outcome: Outcome, *, code: str = "", message: str = "", at_once: bool = True
    ) -> None:
        """End the attempt otherwise than well. Without `at_once` the job rests before the next.
        Raises `LeaseLost`."""
        said: dict[str, Any] = {"code": code, "message": message, "at_once": at_once}
        finish = self._attempts.finish
        status = self._held(self._keeper.insist(lambda: finish(self._claim, outcome, **said)))
        self._metrics.attempt_ended(self._claim.job.pipeline, outcome)
        spans.told(outcome)
        log.info("attempt_ended", outcome=outcome.value, code=code or None, job_status=status.value)

    def _listen(self) -> Message | Exit:
        """Take in what the trainer says. → its last word, or its end if there was none."""
        while True:
            self._gathering.look()
            message = self._trainer.next(self._patience())
            if message is None:
                self._journal.flush()
            elif isinstance(message, Exit) or message["type"] in LAST_WORDS:
                self._journal.flush()
                return message
            else:
                self._take(message)

    def _patience(self) -> float | None:
        times = (self._journal.patience(), self._gathering.patience())
        return min((time for time in times if time is not None), default=None)

    def _take(self, message: Message) -> None:
        self._stall.see(message)
        self._seen.see(message)
        self._gathering.see(message)
        match message["type"]:
            case "progress" | "metrics" | "log":
                self._journal.add(message)
            case "checkpoint":
                self._add_checkpoint(message)
            case "artifact":
                self._add_artifact(message)
            case "resumed":
                self._resumed(message)
            case "device" | "rendezvous":  # which were for the metrics, and for the gathering
                pass
            case "span_began" | "span_ended":
                self._spans.take(message)
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
        fields = _fields(message)
        took_s, pipeline = fields.pop("took_s"), self._claim.job.pipeline
        new = NewCheckpoint(**fields)
        began = time.monotonic()
        with self._stall.aside(), self._tracing.span("store checkpoint"):
            self._held(self._keeper.insist(lambda: self._files.add_checkpoint(self._claim, new)))
        self._metrics.checkpoint_saved(pipeline, took_s)
        self._metrics.checkpoint_stored(pipeline, time.monotonic() - began)
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
            if last.why == HOST_LOST:
                ending = self._elsewhere(ending)
        elif last["type"] == "done":
            self._succeed(last)
            return
        else:
            ending = self._endings.said(last, oom_killed=oom_killed)
            if last.get("code") == PEER_LOST:
                ending = self._elsewhere(ending)
        if ending.code == "checkpoint_corrupt" and self._resumed_from is not None:
            self._pass_over(self._resumed_from, ending.message)
        rests = ending.code == TOO_FEW_HOSTS
        said = {"code": ending.code, "message": ending.message}
        self.finish(ending.outcome, **said, at_once=not rests)

    def _elsewhere(self, ending: Ending) -> Ending:
        """What another host says of it, which may know better."""
        loss = self._gathering.cause()
        return ending if loss is None else self._endings.elsewhere(loss)

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
            with self._tracing.span("publish"):
                version = self._keeper.insist(
                    lambda: publication.store(published, self._claim, storage, lineage)
                )
        done = self._keeper.insist(
            lambda: self._attempts.succeed(self._claim, last["results"], version)
        )
        if not done:
            raise LeaseLost
        self._metrics.attempt_ended(self._claim.job.pipeline, Outcome.SUCCEEDED)
        spans.told(Outcome.SUCCEEDED)
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
