"""What a run is given: the files that it needs, brought to this host, and its spec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.claims import Claim, ResumePoint
from services.container import Container
from workers import resume_point
from workers.keeper import Keeper
from workers.lease import LeaseLost
from workers.messages import TrainSpec


@dataclass(frozen=True)
class Prepared:
    """The files; None where the job has no use for one."""

    claim: Claim
    downloads: Path
    dataset_file: Path | None
    base_dir: Path | None
    checkpoint: Path | None
    resumed_from: ResumePoint | None

    def spec(self, devices: Sequence[str], workdir: Path) -> TrainSpec:
        """`devices`: one for each process."""
        job = self.claim.job
        return TrainSpec(
            job_id=job.id,
            attempt=self.claim.number,
            request_id=job.request_id,
            pipeline=job.pipeline,
            params=job.params,
            seed=job.seed,
            device=devices[0],
            ranks=devices if len(devices) > 1 else (),
            dataset=job.dataset,
            workdir=str(workdir),
            data_dir=str(self.downloads),
            resume=_text(self.checkpoint),
            dataset_file=_text(self.dataset_file),
            base_dir=_text(self.base_dir),
            max_steps=job.stop.get("max_steps"),
        )


def prepare(container: Container, claim: Claim, keeper: Keeper) -> Prepared:
    """Raises `DatasetUnavailable` and `BaseUnavailable` where what the job needs was deleted, and
    `LeaseLost`."""
    job = claim.job
    chosen = job.dataset
    checkpoint = _resume(container, claim, keeper)
    return Prepared(
        claim,
        container.settings.downloads_dir,
        None if chosen is None else keeper.insist(lambda: container.datasets.local_file(chosen)),
        keeper.insist(lambda: container.bases.directory(job.pipeline, job.params)),
        checkpoint.path,
        checkpoint.point,
    )


def _resume(container: Container, claim: Claim, keeper: Keeper) -> resume_point.Found:
    """The file to go on from. One that is damaged costs the time to do its work again."""

    def fetch(key: str) -> Path:
        return keeper.insist(lambda: container.storage.local_path(key))

    found = resume_point.find(claim.resume_points, fetch)
    if found.damaged:
        ids = [point.id for point, _ in found.damaged]
        told = resume_point.warnings(found)
        if not keeper.insist(lambda: container.attempt_files.abandon(claim, ids, told)):
            raise LeaseLost
    return found


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
