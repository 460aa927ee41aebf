"""Pause, resume, cancel and kill, as a job's owner asks for them over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from services.container import Container
from services.job_state import Outcome
from tests.services import factories
from tests.services.conftest import RecordingQueue

JSON = {"Content-Type": "application/json"}


def test_a_job_is_paused_and_resumed(
    client: httpx.Client, container: Container, queue: RecordingQueue
) -> None:
    claim = factories.running(container)
    urls = client.get(f"/v1/jobs/{claim.job.id}").json()["urls"]
    paused = client.post(urls["pause"])
    assert (paused.status_code, paused.json()["status"]) == (200, "pausing")
    assert container.attempts.finish(claim, Outcome.PAUSED)
    job = client.get(urls["self"]).json()
    assert (job["status"], job["finished_at"]) == ("paused", None)
    assert [attempt["exact"] for attempt in job["attempts"]] == [None]
    queue.woken.clear()
    assert client.post(urls["resume"]).json()["status"] == "queued"
    assert queue.woken == [claim.job.id]
    again = client.post(urls["resume"])
    assert (again.status_code, again.json()["code"]) == (409, "invalid_state")
    assert again.json()["detail"] == "cannot resume a job that is queued"
    assert client.post("/v1/jobs/job_none/pause").status_code == 404


NO_BODY: tuple[dict[str, Any], ...] = (
    {},
    {"content": b"", "headers": JSON},
    {"content": b" \n", "headers": {"Content-Type": "text/plain"}},
    {"json": {}},
    {"json": {"checkpoint": None, "params": {}}},
)


def test_a_resume_needs_no_body(client: httpx.Client, container: Container) -> None:
    job_id = factories.submit(container)
    for request in NO_BODY:
        container.job_control.cancel(job_id)
        response = client.post(f"/v1/jobs/{job_id}/resume", **request)
        assert (response.status_code, response.json()["status"]) == (200, "queued")


def test_a_resume_that_cannot_be_changes_nothing(
    client: httpx.Client, container: Container, tmp_path: Path
) -> None:
    claim = factories.running(container, params={"epochs": 50})
    assert container.attempt_files.add_checkpoint(claim, factories.checkpoint(tmp_path, step=20))
    assert container.attempts.finish(claim, Outcome.ERROR, message="nan")
    url = f"/v1/jobs/{claim.job.id}"
    before = client.get(url).json(), client.get(f"{url}/checkpoints").json()
    for body, status, code, field in (
        ({"checkpoint": "ckpt_none"}, 404, "checkpoint_not_found", None),
        ({"checkpoint": 7}, 422, "invalid_request", "checkpoint"),
        ({"checkpoints": "x"}, 422, "invalid_request", "checkpoints"),
        ({"params": None}, 422, "invalid_request", "params"),
        ({"params": {"batch_size": 64}}, 422, "invalid_params", "params.batch_size"),
        ({"params": {"epochs": 19}}, 422, "invalid_params", "params.epochs"),
        ({"params": {"epochs": 10**30}}, 422, "invalid_params", "params.epochs"),
        ([], 422, "invalid_request", "body"),
        (None, 422, "invalid_request", "body"),
    ):
        content = json.dumps(body).encode()
        response = client.post(f"{url}/resume", content=content, headers=JSON)
        problem = response.json()
        assert (response.status_code, problem["code"]) == (status, code), problem
        assert field is None or [error["field"] for error in problem["errors"]] == [field]
    form = client.post(f"{url}/resume", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (form.status_code, form.json()["code"]) == (415, "unsupported_media_type")
    assert (client.get(url).json(), client.get(f"{url}/checkpoints").json()) == before

    (checkpoint,) = before[1]["data"]
    assert checkpoint["abandoned"] is False
    wish = {"checkpoint": checkpoint["id"], "params": {"epochs": 60}}
    job = client.post(f"{url}/resume", json=wish).json()
    assert (job["status"], job["params"]["epochs"], job["error"]) == ("queued", 60, None)


def test_when_a_job_is_to_stop_is_said_and_shown(client: httpx.Client) -> None:
    def submit(**fields: Any) -> httpx.Response:
        return client.post("/v1/jobs", json={"pipeline": "binary-classification", **fields})

    job = submit(stop={"max_steps": 100, "max_runtime_s": 5}).json()
    assert job["stop"] == {"max_runtime_s": 5.0, "max_steps": 100}
    assert (submit(stop=job["stop"]).status_code, job["webhook"]) == (202, None)
    assert submit().json()["stop"] == {"max_runtime_s": None, "max_steps": None}
    for fields, field in (
        ({"stop": {"max_runtime_s": 0}}, "stop.max_runtime_s"),
        ({"stop": {"max_runtime_s": "5"}}, "stop.max_runtime_s"),
        ({"stop": {"max_runtime_s": 1e300}}, "stop.max_runtime_s"),
        ({"stop": {"max_steps": 0}}, "stop.max_steps"),
        ({"stop": {"max_steps": 1.5}}, "stop.max_steps"),
        ({"stop": {"max_steps": 2**63}}, "stop.max_steps"),
        ({"stop": {"steps": 5}}, "stop.steps"),
        ({"stop": [5]}, "stop"),
        ({"pipeline": "optimizers", "stop": {"max_steps": 5}}, "stop.max_steps"),
        ({"webhook": "https://hooks.example.com/"}, "webhook"),
        ({"webhook": "x" * 3000}, "webhook"),
        ({"webhook": 7}, "webhook"),
    ):
        response = submit(**fields)
        assert response.status_code == 422
        assert [error["field"] for error in response.json()["errors"]] == [field]
