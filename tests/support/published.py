"""Real models in a registry: exported once a test session, published as often as tests like."""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from models.publishing import Publication, TrainedModel, publish
from services.container import Container
from services.job_request import NewJob
from services.publications import NewVersion, StoredFile
from tests.support.models import MODELS, RecordingReporter

_numbers = itertools.count()


@cache
def trained(kind: str) -> TrainedModel:
    return MODELS[kind]()


@cache
def exported(kind: str) -> Publication:
    """Every backend's export of one of `tests.support.models.MODELS`."""
    directory = Path(tempfile.mkdtemp(prefix="torchkiln-test-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, which have tests of their own
        return publish(trained(kind), directory, report=RecordingReporter())


def add_version(
    container: Container,
    kind: str,
    *,
    name: str = "demo",
    promote: str = "never",
    backends: Mapping[str, Mapping[str, Any]] | None = None,
) -> int:
    """Publish a version of `name` as a finished job would. → its number."""
    made = exported(kind)
    new = NewJob("image-classification", model=name, promote=promote)
    job = container.jobs.submit(new)[0].job
    claim = container.attempts.claim(job.id, "worker-1")
    assert claim is not None
    prefix = f"models/{name}/{next(_numbers)}"
    files: list[StoredFile] = []
    for file in made.files:
        key = f"{prefix}/{file.name}"
        container.storage.put_file(file.path, key)
        files.append(StoredFile(file.name, file.media_type, file.size_bytes, file.sha256, key))
    version = NewVersion(
        task=made.task,
        signature=made.signature.to_json(),
        classes=made.classes,
        metrics=made.metrics,
        backends=made.backends if backends is None else backends,
        lineage={"job_id": job.id},
        files=files,
    )
    assert container.attempts.succeed(claim, {}, version)
    number = container.jobs.get(job.id).job.model_version
    assert number is not None
    return number
