"""One attempt at a job: what its trainer says, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog

from services.attempt_files import NewArtifact, NewCheckpoint
from services.attempts import Report
from services.claims import Claim
from services.errors import NotFound
from services.job_state import Outcome
from workers import publication
from workers.journal import Journal
from workers.keeper import KILL, LEASE, Keeper, LeaseLost
from workers.messages import LAST_WORDS, Message, TrainSpec
from workers.process import Exit, TrainerProcess, how_it_ended
from workers.runs import RELEASE
from workers.station import Station

INTERRUPTED = {"cancel": Outcome.CANCELLED, "release": Outcome.RELEASED}
"""How an attempt ends whose run has stopped at a checkpoint, by why it was asked to."""
RETRIED = {"oom": Outcome.OOM, "lost": Outcome.LOST}
"""How one ends that says itself what is not its own fault: `lost`, if one of its ranks is gone."""
KILLED = {KILL: Outcome.CANCELLED, RELEASE: Outcome.RELEASED}
"""The same for one that was not waited for."""

log: Any = structlog.get_logger(__name__)

T = TypeVar("T")


class JobRun:
    def __init__(
        self, station: Station, claim: Claim, trainer: TrainerProcess, keeper: Keeper
    ) -> None:
        self._station = station
        self._claim = claim
        self._trainer = trainer
        self._keeper = keeper
        self._attempts = station.container.attempts
        self._files = station.container.attempt_files
        self._journal = Journal(self._record)
        self._publication: Mapping[str, Any] | None = None
        self._checkpoint_sha256: str | None = None

    def run(self, devices: Sequence[str], workdir: Path) -> None:
        """`devices`: one for each process. Raises `LeaseLost`, OSError where a file cannot be
        stored, `DatasetUnavailable` and `BaseUnavailable`."""
        self._trainer.start(self._spec(devices, workdir))
        self._record(Report(placed_device=_placed(devices)))
        self._end(self._listen())

    def finish(self, outcome: Outcome, *, code: str = "", message: str = "") -> None:
        """End the attempt otherwise than well. Raises `LeaseLost`."""
        status = self._held(
            self._keeper.insist(
                lambda: self._attempts.finish(self._claim, outcome, code=code, message=message)
            )
        )
        log.info("attempt_ended", outcome=outcome.value, code=code or None, job_status=status.value)

    def _spec(self, devices: Sequence[str], workdir: Path) -> TrainSpec:
        job, settings = self._claim.job, self._station.container.settings
        return TrainSpec(
            job_id=job.id,
            attempt=self._claim.number,
            request_id=job.request_id,
            pipeline=job.pipeline,
            params=job.params,
            seed=job.seed,
            device=devices[0],
            ranks=devices if len(devices) > 1 else (),
            dataset=job.dataset,
            workdir=str(workdir),
            data_dir=str(settings.downloads_dir),
            resume=self._resume(),
            dataset_file=self._dataset_file(),
            base_dir=self._base_dir(),
        )

    def _dataset_file(self) -> str | None:
        """The file of an uploaded dataset. Raises `DatasetUnavailable` where it was deleted."""
        datasets, chosen = self._station.container.datasets, self._claim.job.dataset
        if chosen is None:
            return None
        file = self._keeper.insist(lambda: datasets.local_file(chosen))
        return None if file is None else str(file)

    def _base_dir(self) -> str | None:
        """The version that the job starts from. Raises `BaseUnavailable` where it was deleted."""
        bases, job = self._station.container.bases, self._claim.job
        directory = self._keeper.insist(lambda: bases.directory(job.pipeline, job.params))
        return None if directory is None else str(directory)

    def _resume(self) -> str | None:
        """The file to go on from. One that is gone costs the time to do its work again."""
        key = self._claim.resume_key
        if key is None:
            return None
        try:
            return str(self._station.container.storage.local_path(key))
        except NotFound:
            self._journal.add(
                {
                    "type": "log",
                    "level": "warning",
                    "message": "the latest checkpoint is gone; starting from the beginning",
                    "data": {},
                }
            )
            return None

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
        match message["type"]:
            case "progress" | "metrics" | "log":
                self._journal.add(message)
            case "checkpoint":
                self._add_checkpoint(message)
            case "artifact":
                self._add_artifact(message)
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
        self._held(self._keeper.insist(lambda: self._files.add_checkpoint(self._claim, new)))
        self._checkpoint_sha256 = new.sha256

    def _add_artifact(self, message: Message) -> None:
        self._journal.flush()
        new = NewArtifact(**_fields(message))
        self._held(self._keeper.insist(lambda: self._files.add_artifact(self._claim, new)))

    def _end(self, last: Message | Exit) -> None:
        if isinstance(last, Exit):
            self._end_untold(last)
            return
        match last["type"]:
            case "done":
                self._succeed(last)
            case "interrupted":
                self.finish(INTERRUPTED[last["reason"]])
            case _:
                outcome = RETRIED.get(last["code"], Outcome.ERROR)
                self.finish(outcome, code=last["code"], message=last["message"])

    def _end_untold(self, end: Exit) -> None:
        if end.why == LEASE:
            raise LeaseLost
        if end.why in KILLED:
            self.finish(KILLED[end.why])
            return
        log.warning("trainer_lost", returncode=end.returncode, stderr=end.stderr)
        self.finish(
            Outcome.LOST, code="lost", message=f"the trainer {how_it_ended(end.returncode)}"
        )

    def _succeed(self, last: Message) -> None:
        version = None
        if self._publication is not None:
            version = publication.store(
                self._publication,
                self._claim,
                self._station.container.storage,
                publication.lineage(
                    self._claim,
                    last["lineage"],
                    checkpoint_sha256=self._checkpoint_sha256,
                    versions=(self._trainer.ready or {}).get("versions", {}),
                ),
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
