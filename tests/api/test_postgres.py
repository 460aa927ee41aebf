"""What only a database server is particular about: NUL, numbers out of range, what is no text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.container import Container
from services.db import migrate
from services.settings import Settings
from tests.api.conftest import Api, served
from tests.api.test_bad_input import BODIES, ODD, PATHS, TARGETS, in_form
from tests.services.conftest import RecordingQueue
from tests.support import postgres
from tests.support.published import add_version

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The application over PostgreSQL, with the model `image`."""
    data_dir: Path = tmp_path_factory.mktemp("over-postgres")
    with postgres.database(postgres_url) as url:
        container = Container(Settings(data_dir=data_dir, database_url=url), queue=RecordingQueue())
        migrate.upgrade(container.db)
        add_version(container, "image", name="image")
        with served(container) as running:
            yield running
        container.close()


def refused_in_form(response: httpx.Response) -> None:
    if response.status_code not in {200, 202}:
        assert 400 <= response.status_code < 500, response.text
        in_form(response, v2=response.request.url.path.startswith("/v2"))


@pytest.mark.parametrize("path", PATHS)
def test_odd_names_in_a_path(server: Api, path: str) -> None:
    for odd in ODD:
        refused_in_form(server.client.get(path.replace("{}", odd)))


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/models", "/v1/models/image/versions"])
def test_odd_values_in_a_query(server: Api, path: str) -> None:
    for name in ("after", "model", "pipeline", "limit", "status"):
        for odd in ODD:
            refused_in_form(server.client.get(f"{path}?{name}={odd}"))


@pytest.mark.parametrize("target", [name for name in TARGETS if "/v1/" in name])
def test_bad_bodies(server: Api, target: str) -> None:
    method, path, *_ = target.split(" ")
    for body in BODIES.values():
        refused_in_form(server.client.request(method, path, content=body, headers=TARGETS[target]))


def test_a_job_and_a_prediction_over_postgres(server: Api) -> None:
    job = server.client.post(
        "/v1/jobs",
        json={
            "pipeline": "binary-classification",
            "seed": 2**32 - 1,
            "metadata": {"ü": "\U0001f525"},
        },
        headers={"Idempotency-Key": "k"},
    )
    assert job.status_code == 202
    shown = server.client.get(job.json()["urls"]["self"]).json()
    assert shown["metadata"] == {"ü": "\U0001f525"}
    assert shown["created_at"].endswith("Z")
    assert server.client.post(job.json()["urls"]["cancel"]).json()["status"] == "cancelled"
    events = server.client.get(
        job.json()["urls"]["events"], headers={"Accept": "text/event-stream"}
    ).text
    assert events.count("event: status") == 2
    rows = {"inputs": [[[[0.5] * 8] * 8]]}
    assert server.client.post("/v1/models/image/predict", json=rows).status_code == 200
    assert server.client.get("/readyz").status_code == 200
    assert 'torchkiln_jobs{status="cancelled"} 1.0' in server.client.get("/metrics").text
