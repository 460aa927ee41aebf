"""One trace from a client's header to the last file of the version, over real processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx
import orjson
import pytest

from models.backends import BACKENDS
from services.container import Container
from services.job_state import JobStatus
from tests.api.conftest import ROOT, environment, free_port, wait_for
from tests.support.otlp import SAMPLED, SPAN_ID, TRACE_ID, UNSAMPLED, Sent, endpoint, spans
from tests.support.receivers import Receiver, receiver
from tests.workers import waiting
from tests.workers.stations import outcomes, submit
from tests.workers.worker_processes import Start, ended, ready

pytestmark = pytest.mark.long


@pytest.fixture
def hook() -> Generator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def url(container: Container, hook: Receiver, tmp_path: Path) -> Generator[str]:
    """Of an API process that sends its spans to `hook`, and logs to `api.log`."""
    port, settings = free_port(), container.settings
    variables = {"TORCHKILN_REDIS_URL": settings.redis_url, **endpoint(hook)}
    with (tmp_path / "api.log").open("w") as stream:
        popen = subprocess.Popen(
            [sys.executable, "-m", "api"],
            cwd=ROOT,
            env=environment(settings.data_dir, port, **variables),
            stderr=stream,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", popen)
        yield f"http://127.0.0.1:{port}"
    finally:
        popen.terminate()
        assert popen.wait(30) == 0


def named(hook: Receiver, name: str) -> list[Sent]:
    return [span for span in spans(hook) if span.name == name]


def until(hook: Receiver, name: str, count: int = 1) -> list[Sent]:
    return waiting.wait_for(
        lambda: (found := named(hook, name)) and len(found) >= count and found, f"the span {name}"
    )


def test_from_the_request_to_the_exported_files_is_one_trace(
    container: Container, start: Start, hook: Receiver, url: str, tmp_path: Path
) -> None:
    worker = start("-m", "workers", **endpoint(hook))
    body = {"pipeline": "binary-classification", "params": {"epochs": 3}, "model": "moons"}
    answer = httpx.post(f"{url}/v1/jobs", json=body, headers={"traceparent": SAMPLED})
    assert answer.status_code == 202
    job_id = answer.json()["id"]
    assert ended(container, job_id).job.status == JobStatus.SUCCEEDED, worker.log.read_text()
    (attempt,) = until(hook, "attempt")
    (request,) = until(hook, "POST /v1/jobs")
    found = [span for span in spans(hook) if span.trace_id == TRACE_ID]

    assert (request.service, request.kind) == ("torchkiln-api", "server")
    assert request.parent == SPAN_ID
    assert request.attributes["http.response.status_code"] == 202
    assert request.attributes["http.route"] == "/v1/jobs"
    sent, *_again = (span for span in found if span.name == "send cpu")  # while there is no worker
    (queued,) = (span for span in found if span.name == "queued")
    assert {sent.parent, queued.parent, attempt.parent} == {request.id}
    assert (sent.kind, attempt.kind) == ("producer", "consumer")
    assert queued.end_ns >= queued.start_ns
    assert attempt.service == "torchkiln-worker"
    assert attempt.attributes["torchkiln.job.id"] == job_id
    assert attempt.attributes["torchkiln.pipeline"] == "binary-classification"
    assert attempt.attributes["torchkiln.attempt"] == 1
    assert attempt.attributes["torchkiln.outcome"] == "succeeded"
    _check_parts(attempt, [span for span in found if span.parent == attempt.id])

    known = {span.id for span in found} | {SPAN_ID}
    assert [span.name for span in found if span.parent not in known or span.failed] == []
    (began,) = worker.said("attempt_started")
    assert (began["trace_id"], began["span_id"]) == (TRACE_ID, attempt.id)
    lines = [orjson.loads(line) for line in (tmp_path / "api.log").read_text().splitlines()]
    (asked,) = (line for line in lines if line.get("route") == "/v1/jobs")
    assert (asked["trace_id"], asked["span_id"]) == (TRACE_ID, request.id)


def _check_parts(attempt: Sent, parts: list[Sent]) -> None:
    epochs = [span for span in parts if span.name == "epoch"]
    assert [span.attributes["torchkiln.epoch"] for span in epochs] == [1, 2, 3]
    for span in parts:
        assert attempt.start_ns <= span.start_ns <= span.end_ns <= attempt.end_ns
    for name in ("export", "certify"):
        assert {s.attributes["torchkiln.backend"] for s in parts if s.name == name} >= {*BACKENDS}
    assert {span.name for span in parts} == {
        *("prepare", "epoch", "checkpoint", "store checkpoint", "export", "certify", "publish")
    }


def test_a_trainer_that_is_killed_leaves_the_part_that_it_was_in(
    container: Container, start: Start, hook: Receiver
) -> None:
    """The next attempt is in the same trace, also where it is not the API's."""
    ready(container, start(**endpoint(hook)))
    job_id = submit(container, "count", epochs=3, crash_at=2, once=True)
    assert outcomes(ended(container, job_id)) == ["lost", "succeeded"]
    lost, done = until(hook, "attempt", 2)
    assert (lost.attributes["torchkiln.outcome"], lost.failed) == ("lost", True)
    assert (done.attributes["torchkiln.outcome"], done.failed) == ("succeeded", False)
    assert (lost.parent, done.parent) == ("", "")
    cut = [span for span in named(hook, "epoch") if span.failed]
    assert [(span.parent, span.attributes["error.type"]) for span in cut] == [
        (lost.id, "trainer_ended")
    ]
    assert cut[0].attributes["torchkiln.epoch"] == 2


def test_what_nobody_samples_is_not_traced_anywhere(
    container: Container, start: Start, hook: Receiver, url: str
) -> None:
    worker = start("-m", "workers", **endpoint(hook))
    body = {"pipeline": "diagnostics"}
    job_id = httpx.post(f"{url}/v1/jobs", json=body, headers={"traceparent": UNSAMPLED}).json()[
        "id"
    ]
    assert container.jobs.get(job_id).job.traceparent is not None
    assert ended(container, job_id).job.status == JobStatus.SUCCEEDED, worker.log.read_text()
    httpx.get(f"{url}/v1/pipelines")
    until(hook, "GET /v1/pipelines")  # which began after all that
    assert [span.name for span in spans(hook) if span.trace_id == TRACE_ID] == []


def test_a_worker_whose_spans_nobody_takes_works_on(
    container: Container, start: Start, tmp_path: Path
) -> None:
    worker = start(TORCHKILN_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_BSP_SCHEDULE_DELAY="50")
    ready(container, worker)
    for _ in range(2):
        job_id = submit(container, "count", epochs=1)
        assert ended(container, job_id).job.status == JobStatus.SUCCEEDED
    waiting.wait_for(lambda: worker.said("traces_not_sent"), "it to notice")
    worker.process.terminate()
    assert worker.wait() == 0
    assert len(worker.said("traces_not_sent")) == 1
    assert [line for line in worker.lines() if "opentelemetry" in line["logger"]] == []
