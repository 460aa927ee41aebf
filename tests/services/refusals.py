"""An act on a job that is refused has changed nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.container import Container
from services.errors import ServiceError
from services.job_resume import Resume
from tests.services.conftest import RecordingQueue


def refused(
    container: Container,
    queue: RecordingQueue,
    job_id: str,
    kind: type[ServiceError],
    act: Callable[..., Any],
    *wish: Resume,
) -> ServiceError:
    """The act is, and leaves everything as it was."""
    before = everything(container, job_id), [*queue.woken]
    with pytest.raises(kind) as caught:
        act(job_id, *wish)
    assert (everything(container, job_id), queue.woken) == before
    return caught.value


def everything(container: Container, job_id: str) -> list[dict[str, Any]]:
    rows = [container.jobs.get(job_id).job, *container.jobs.checkpoints(job_id)]
    return [
        {name: value for name, value in vars(row).items() if not name.startswith("_")}
        for row in rows
    ]
