"""Spans of requests, sent to a real receiver; and nothing of it where tracing is off."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from services.container import Container
from services.otlp import OtlpTracing
from services.settings import Settings
from tests.api.conftest import ROOT, Api, served
from tests.services.conftest import RecordingQueue
from tests.support.otlp import SAMPLED, SPAN_ID, TRACE_ID, UNSAMPLED, Sent, spans
from tests.support.published import add_version
from tests.support.receivers import Receiver, receiver

INFER = "/v2/models/binary/infer"
ROUTE = "POST /v2/models/{name}/infer"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture(scope="module")
def published(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a model `binary`, to copy."""
    data_dir = tmp_path_factory.mktemp("published")
    shutil.copy(template, data_dir)
    container = Container(Settings(data_dir=data_dir), queue=RecordingQueue())
    add_version(container, "binary", name="binary")
    container.close()
    return data_dir


@contextmanager
def traced(
    published: Path, place: Path, hook: Receiver, *, fast: bool = True, sample: float = 1.0
) -> Generator[Api]:
    """The application over a copy of `published`; its spans have arrived when this has ended."""
    shutil.copytree(published, place)
    tracing = OtlpTracing(hook.url(), sample=sample, service="torchkiln-api")
    settings = Settings(data_dir=place, tune_budget_s=0)
    container = Container(settings, queue=RecordingQueue(), tracing=tracing)
    try:
        with served(container, fast=fast) as running:
            yield running
    finally:
        container.close()


def body() -> bytes:
    tensor = {"name": "features", "datatype": "FP32", "shape": [3, 2], "data": [0.0] * 6}
    return orjson.dumps({"inputs": [tensor]})


def named(hook: Receiver, name: str) -> list[Sent]:
    return [span for span in spans(hook) if span.name == name]


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "whole"])
def test_an_inference_request_has_a_span(
    published: Path, tmp_path: Path, hook: Receiver, asked: list[str], fast: bool
) -> None:
    with traced(published, tmp_path / "data", hook, fast=fast) as api:
        model = {"torchkiln.model": "binary", "torchkiln.version": 1, "torchkiln.rows": 3}
        api.client.post(INFER, content=body())  # loads the model, by the application
        before = len(asked)
        given = {"traceparent": SAMPLED}
        assert api.client.post(INFER, content=body(), headers=given).status_code == 200
        assert api.client.post(INFER, content=b"{}", headers=given).status_code == 400
        assert len(asked) - before == (0 if fast else 2)
    first, done, refused = named(hook, ROUTE)
    assert first.parent == ""
    for span, status in ((done, 200), (refused, 400)):
        assert (span.trace_id, span.parent, span.kind) == (TRACE_ID, SPAN_ID, "server")
        assert span.attributes["http.response.status_code"] == status
        assert span.attributes["url.path"] == INFER
        assert not span.failed
        assert span.start_ns < span.end_ns
    assert done.attributes.items() >= model.items()
    assert done.attributes["torchkiln.backend"] == "onnxruntime"


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "whole"])
@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        SAMPLED.upper().replace("00-", "ff-", 1),
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"{SAMPLED}-more",
        "\xff" * 55,
    ],
)
def test_a_malformed_header_begins_a_new_trace(
    published: Path, tmp_path: Path, hook: Receiver, fast: bool, header: str
) -> None:
    given = {"traceparent": header.encode("latin-1")}
    with traced(published, tmp_path / "data", hook, fast=fast) as api:
        api.client.post(INFER, content=body())
        assert api.client.post(INFER, content=body(), headers=given).status_code == 200
        assert api.client.get("/v1/pipelines", headers=given).status_code == 200
    for span in (*named(hook, ROUTE), *named(hook, "GET /v1/pipelines")):
        assert (span.parent, span.trace_id == TRACE_ID) == ("", False)


def test_who_is_sampled(published: Path, tmp_path: Path, hook: Receiver) -> None:
    """As the caller says; where there is none, by the setting."""
    with traced(published, tmp_path / "data", hook, sample=0.0) as api:
        for headers in ({}, {"traceparent": UNSAMPLED}, {"traceparent": SAMPLED}):
            api.client.get("/v1/pipelines", headers=headers)
            api.client.post(INFER, content=body(), headers=headers)
    assert [span.name for span in spans(hook)] == ["GET /v1/pipelines", ROUTE]
    assert {span.parent for span in spans(hook)} == {SPAN_ID}


def test_what_is_refused_has_a_span_and_what_machines_ask_has_none(
    published: Path, tmp_path: Path, hook: Receiver
) -> None:
    with traced(published, tmp_path / "data", hook) as api:
        api.client.get("/healthz")
        api.client.get("/metrics")
        assert api.client.get("/v1/jobs/%00").status_code == 422
        assert api.client.get("/nowhere").status_code == 404
    got = [(span.name, span.attributes["http.response.status_code"]) for span in spans(hook)]
    assert got == [("GET", 422), ("GET", 404)]


def test_each_request_of_a_connection_has_a_trace_of_its_own(
    published: Path, tmp_path: Path, hook: Receiver
) -> None:
    with traced(published, tmp_path / "data", hook) as api:
        for _ in range(3):
            api.client.get("/v1/pipelines")
    found = spans(hook)
    assert [span.parent for span in found] == ["", "", ""]
    assert len({span.trace_id for span in found}) == 3


def test_a_job_keeps_the_span_that_it_was_submitted_in(
    published: Path, tmp_path: Path, hook: Receiver
) -> None:
    with traced(published, tmp_path / "data", hook) as api:
        given = {"traceparent": SAMPLED, "Idempotency-Key": "1"}
        job = {"pipeline": "diagnostics"}
        made = api.client.post("/v1/jobs", json=job, headers=given)
        again = api.client.post("/v1/jobs", json=job, headers=given)
        assert made.json()["id"] == again.json()["id"]
        kept = api.container.jobs.get(made.json()["id"]).job.traceparent
    first, _ = named(hook, "POST /v1/jobs")
    assert kept == f"00-{TRACE_ID}-{first.id}-01"


def test_off_nothing_is_kept_or_imported(container: Container, tmp_path: Path) -> None:
    with served(container) as api:
        answer = api.client.post(
            "/v1/jobs", json={"pipeline": "diagnostics"}, headers={"traceparent": SAMPLED}
        )
        assert container.jobs.get(answer.json()["id"]).job.traceparent is None
    code = (
        "import sys; from pathlib import Path; from api.app import create_app;"
        "from services.container import Container; from services.settings import Settings;"
        "import workers.worker, workers.trainer.main;"
        "create_app(Container(Settings(data_dir=Path(sys.argv[1]), redis_url='redis://x')));"
        "print([name for name in sys.modules if name.startswith("
        "('opentelemetry.sdk', 'opentelemetry.exporter', 'opentelemetry.proto'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("wrong", ["collector:4318", "grpc://collector", "http://", "http://a b"])
def test_an_endpoint_is_a_url(wrong: str) -> None:
    with pytest.raises(ValueError, match="expected a URL such as"):
        Settings(otlp_endpoint=wrong)
