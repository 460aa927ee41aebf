"""Jobs and versions for tests of the services, made through the services themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.attempt_files import NewCheckpoint
from services.claims import Claim
from services.container import Container
from services.job_request import NewJob
from services.publications import NewVersion, StoredFile
from services.uploads import NewUpload

CERTIFIED = {"eager": {"status": "certified"}, "onnxruntime": {"status": "certified"}}
SIGNATURE = {
    "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}],
}


def submit(container: Container, **fields: Any) -> str:
    """→ the id of a new queued job."""
    new = NewJob(**{"pipeline": "binary-classification", **fields})
    return container.jobs.submit(new)[0].job.id


def upload(container: Container, content: bytes, **fields: Any) -> str:
    """→ the id of a new dataset."""
    file = container.settings.data_dir / "upload"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    new = NewUpload(**{"name": "mine", "kind": "csv", **fields})
    return container.datasets.create(file, new).info.id


def running(container: Container, worker: str = "worker-1", **fields: Any) -> Claim:
    """→ the claim of a new job."""
    return claimed(container, submit(container, **fields), worker)


def claimed(container: Container, job_id: str, worker: str = "worker-1") -> Claim:
    claim = container.attempts.claim(job_id, worker)
    assert claim is not None
    return claim


def checkpoint(tmp_path: Path, *, step: int, best: bool = False) -> NewCheckpoint:
    path = tmp_path / f"step-{step}.pt"
    path.write_bytes(b"weights at step %d" % step)
    return NewCheckpoint(
        path, epoch=step, step=step, metrics={}, best=best, size_bytes=8, sha256="0" * 64
    )


def new_version(
    container: Container,
    claim: Claim,
    *,
    backends: Mapping[str, Mapping[str, Any]] = CERTIFIED,
    metrics: Mapping[str, float] = {"test_accuracy": 0.9},
) -> NewVersion:
    """A version whose one file is in storage."""
    key = f"models/{claim.job.model}/{claim.job.id}-{claim.number}/signature.json"
    source = container.settings.data_dir / "signature.json"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text("{}")
    container.storage.put_file(source, key)
    file = StoredFile("signature.json", "application/json", 2, "0" * 64, key)
    return NewVersion("binary", SIGNATURE, ["no", "yes"], metrics, backends, {}, [file])


def published(container: Container, **fields: Any) -> int:
    """Run a job to its end. → the number of the version that it published."""
    made = {name: fields.pop(name) for name in ("backends", "metrics") if name in fields}
    claim = running(container, **fields)
    assert container.attempts.succeed(claim, {}, new_version(container, claim, **made))
    version = container.jobs.get(claim.job.id).job.model_version
    assert version is not None
    return version
