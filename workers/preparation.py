"""What a run is given: the files that it needs, brought to this host, and its spec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from errno import EIO
from pathlib import Path

from services.claims import Claim, ResumePoint
from services.container import Container
from workers import resume_point, spans
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

    def spec(
        self,
        devices: Sequence[str],
        workdir: Path,
        *,
        rendezvous: str | None = None,
        seat: int = 0,
    ) -> TrainSpec:
        """`devices`: one for each process here. `rendezvous`, where the job has other hosts:
        see `TrainSpec`."""
        job = self.claim.job
        several = len(devices) > 1 or rendezvous is not None
        return TrainSpec(
            job_id=job.id,
            attempt=self.claim.number,
            request_id=job.request_id,
            pipeline=job.pipeline,
            params=job.params,
            seed=job.seed,
            device=devices[0],
            ranks=devices if several else (),
            rendezvous=rendezvous,
            seat=seat,
            dataset=job.dataset,
            workdir=str(workdir),
            data_dir=str(self.downloads),
            resume=_text(self.checkpoint),
            dataset_file=_text(self.dataset_file),
            base_dir=_text(self.base_dir),
            max_steps=job.stop.get("max_steps"),
            traceparent=spans.to_follow(),
        )


def prepare(
    container: Container,
    claim: Claim,
    keeper: Keeper,
    find: Callable[[Container, Claim, Keeper], resume_point.Found] | None = None,
) -> Prepared:
    """Raises `DatasetUnavailable` and `BaseUnavailable` where what the job needs was deleted, and
    `LeaseLost`. `find` is how to come by the checkpoint to go on from."""
    job = claim.job
    chosen = job.dataset
    checkpoint = (find or latest_whole)(container, claim, keeper)
    return Prepared(
        claim,
        container.settings.downloads_dir,
        None if chosen is None else keeper.insist(lambda: container.datasets.local_file(chosen)),
        keeper.insist(lambda: container.bases.directory(job.pipeline, job.params)),
        checkpoint.path,
        checkpoint.point,
    )


def that_of_the_leader(container: Container, claim: Claim, keeper: Keeper) -> resume_point.Found:
    """The one that all hosts of an attempt go on from. Raises OSError where it is not whole here:
    what becomes of it is not this host's to say."""
    found = _find(container, claim, keeper)
    if found.damaged:
        raise OSError(EIO, found.damaged[0][1])
    return found


def latest_whole(container: Container, claim: Claim, keeper: Keeper) -> resume_point.Found:
    """The file to go on from. One that is damaged costs the time to do its work again."""
    found = _find(container, claim, keeper)
    if found.damaged:
        ids = [point.id for point, _ in found.damaged]
        told = resume_point.warnings(found)
        if not keeper.insist(lambda: container.attempt_files.abandon(claim, ids, told)):
            raise LeaseLost
    return found


def _find(container: Container, claim: Claim, keeper: Keeper) -> resume_point.Found:
    def fetch(key: str) -> Path:
        return keeper.insist(lambda: container.storage.local_path(key))

    return resume_point.find(claim.resume_points, fetch)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
