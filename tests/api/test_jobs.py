from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest

from services.container import Container
from services.db.tables import Job
from services.errors import Unavailable
from services.job_state import Outcome
from tests.api.conftest import Api
from tests.services import factories
from tests.services.conftest import RecordingQueue

SUBMIT: dict[str, Any] = {"pipeline": "binary-classification", "params": {"epochs": 3}}


def test_a_submitted_job_has_every_field_of_the_contract(
    client: httpx.Client, queue: RecordingQueue, container: Container
) -> None:
    response = client.post(
        "/v1/jobs",
        json=SUBMIT | {"seed": 7, "priority": 9, "metadata": {"who": "me"}, "model": "m"},
        headers={"X-Request-Id": "mine"},
    )
    assert response.status_code == 202
    job = response.json()
    assert response.headers["Location"] == job["urls"]["self"] == f"/v1/jobs/{job['id']}"
    assert set(job) >= {
        *("id", "object", "pipeline", "status", "params", "seed", "device", "world_size"),
        *("priority", "dataset", "model", "model_version", "metadata", "created_at"),
        *("started_at", "finished_at", "placement", "progress", "metrics", "results"),
        *("attempts", "status_transitions", "error", "urls", "stop", "webhook"),
    }
    assert job["id"].startswith("job_")
    assert (job["object"], job["status"]) == ("job", "queued")
    assert (job["seed"], job["priority"], job["model"]) == (7, 9, "m")
    assert job["metadata"] == {"who": "me"}
    assert job["params"]["epochs"] == 3
    assert job["params"]["optimizer"]["name"]
    assert job["dataset"] == "moons"
    assert set(job["progress"]) == {"epoch", "epochs", "step", "steps", "percent", "eta_s"}
    assert [move["status"] for move in job["status_transitions"]] == ["queued"]
    assert (job["placement"], job["error"], job["model_version"]) == (None, None, None)
    assert set(job["urls"]) >= {
        *("self", "events", "checkpoints", "artifacts"),
        *("pause", "resume", "cancel", "kill"),
    }
    assert job["created_at"].endswith("Z")
    datetime.fromisoformat(job["created_at"])
    assert queue.woken == [job["id"]]
    with container.db.read() as session:
        assert session.get_one(Job, job["id"]).request_id == "mine"
    assert client.get(job["urls"]["self"]).json() == job


def test_the_same_key_and_body_are_the_same_job(
    client: httpx.Client, queue: RecordingQueue
) -> None:
    headers = {"Idempotency-Key": "key-1"}
    first = client.post("/v1/jobs", json=SUBMIT, headers=headers)
    second = client.post("/v1/jobs", json=SUBMIT, headers=headers)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["Location"] == first.headers["Location"]
    assert len(queue.woken) == 1
    other = client.post("/v1/jobs", json=SUBMIT | {"seed": 1}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "\u00e4"])
def test_a_key_that_is_no_key_is_refused(client: httpx.Client, key: str) -> None:
    response = client.post(
        "/v1/jobs", json=SUBMIT, headers={"Idempotency-Key": key.encode("latin-1")}
    )
    assert response.status_code == 422
    assert "Idempotency-Key" in response.json()["errors"][0]["field"]


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({}, 422, "invalid_request", "pipeline"),
        ({"pipeline": "nope"}, 404, "unknown_pipeline", None),
        ({"pipeline": 7}, 422, "invalid_request", "pipeline"),
        (SUBMIT | {"nope": 1}, 422, "invalid_request", "nope"),
        (SUBMIT | {"params": {"nope": 1}}, 422, "invalid_params", "params.nope"),
        (SUBMIT | {"params": {"epochs": "3"}}, 422, "invalid_params", "params.epochs"),
        (SUBMIT | {"params": {"epochs": 0}}, 422, "invalid_params", "params.epochs"),
        (SUBMIT | {"params": {"epochs": 1e300}}, 422, "invalid_params", "params.epochs"),
        (
            SUBMIT | {"params": {"optimizer": {"lr": -1}}},
            422,
            "invalid_params",
            "params.optimizer.lr",
        ),
        (SUBMIT | {"params": []}, 422, "invalid_request", "params"),
        (SUBMIT | {"params": None}, 422, "invalid_request", "params"),
        (SUBMIT | {"dataset": "nope"}, 422, "invalid_request", "dataset"),
        (SUBMIT | {"dataset": "digits"}, 422, "invalid_request", "dataset"),
        (SUBMIT | {"model": "../etc"}, 422, "invalid_request", "model"),
        (SUBMIT | {"model": ""}, 422, "invalid_request", "model"),
        (SUBMIT | {"device": "tpu"}, 422, "invalid_request", "device"),
        (SUBMIT | {"device": "cuda:99999"}, 422, "invalid_request", "device"),
        (SUBMIT | {"world_size": 0}, 422, "invalid_request", "world_size"),
        (SUBMIT | {"world_size": 65}, 422, "invalid_request", "world_size"),
        (SUBMIT | {"hosts": 0}, 422, "invalid_request", "hosts"),
        (SUBMIT | {"world_size": 4, "hosts": 3}, 422, "invalid_request", "hosts"),
        (SUBMIT | {"min_world_size": 2}, 422, "invalid_request", "min_world_size"),
        (SUBMIT | {"world_size": 2, "device": "cuda:0"}, 422, "invalid_request", "device"),
        (SUBMIT | {"priority": 10}, 422, "invalid_request", "priority"),
        (SUBMIT | {"priority": True}, 422, "invalid_request", "priority"),
        (SUBMIT | {"priority": 5.0}, 422, "invalid_request", "priority"),
        (SUBMIT | {"seed": -1}, 422, "invalid_request", "seed"),
        (SUBMIT | {"seed": 2**32}, 422, "invalid_request", "seed"),
        (SUBMIT | {"seed": 2**63}, 422, "invalid_request", "seed"),
        (SUBMIT | {"promote": "maybe"}, 422, "invalid_request", "promote"),
        (SUBMIT | {"metadata": {"x": "y" * 20_000}}, 422, "invalid_request", "metadata"),
        ([], 422, "invalid_request", "body"),
        ("job", 422, "invalid_request", "body"),
    ],
)
def test_a_wrong_job_is_refused_with_each_field_named(
    client: httpx.Client,
    queue: RecordingQueue,
    body: Any,
    status: int,
    code: str,
    field: str | None,
) -> None:
    response = client.post("/v1/jobs", json=body)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code), problem
    assert field is None or field in [error["field"] for error in problem["errors"]]
    assert queue.woken == []
    assert client.get("/v1/jobs").json()["data"] == []


def test_all_wrong_fields_are_named_at_once(client: httpx.Client) -> None:
    problem = client.post("/v1/jobs", json=SUBMIT | {"seed": "x", "nope": 1, "priority": 99}).json()
    assert {error["field"] for error in problem["errors"]} == {"seed", "nope", "priority"}
    (seed,) = [error for error in problem["errors"] if error["field"] == "seed"]
    assert seed["message"] == "expected a valid integer, got 'x'"


def test_a_broker_that_is_down_loses_no_job(
    api: Api, queue: RecordingQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "wake_job", lambda _job: None)  # as CeleryQueue: it only logs
    queue.broken = True
    response = api.client.post("/v1/jobs", json=SUBMIT)
    assert response.status_code == 202
    assert api.client.get("/v1/jobs").json()["data"][0]["id"] == response.json()["id"]


def test_jobs_are_listed_newest_first_in_pages_and_by_filter(
    client: httpx.Client, container: Container
) -> None:
    ids = [factories.submit(container, model=f"m{number}") for number in range(3)]
    other = factories.submit(container, pipeline="diagnostics")
    container.job_control.cancel(ids[0])
    listed = client.get("/v1/jobs").json()
    assert [job["id"] for job in listed["data"]] == [other, *reversed(ids)]
    first = client.get("/v1/jobs", params={"limit": 3}).json()
    assert first["has_more"]
    rest = client.get("/v1/jobs", params={"limit": 3, "after": first["data"][-1]["id"]}).json()
    assert ([job["id"] for job in rest["data"]], rest["has_more"]) == ([ids[0]], False)
    for filters, expected in (
        ({"status": "cancelled"}, [ids[0]]),
        ({"pipeline": "diagnostics"}, [other]),
        ({"model": "m1"}, [ids[1]]),
        ({"model": "m1", "status": "failed"}, []),
        ({"model": "m1", "status": "", "pipeline": ""}, [ids[1]]),
    ):
        found = client.get("/v1/jobs", params=filters).json()["data"]
        assert [job["id"] for job in found] == expected


@pytest.mark.parametrize(
    "query",
    [
        *({"limit": limit} for limit in ("0", "201", "-1", "x", "1.5", "9" * 40, "")),
        {"after": "job_nope"},
        {"status": "nope"},
    ],
)
def test_a_page_that_does_not_exist_is_refused(client: httpx.Client, query: dict[str, str]) -> None:
    response = client.get("/v1/jobs", params=query)
    assert response.status_code == 422
    assert next(iter(query)) in response.json()["errors"][0]["field"]


def test_a_job_in_its_course(client: httpx.Client, container: Container) -> None:
    claim = factories.running(container, worker="worker-9")
    job = client.get(f"/v1/jobs/{claim.job.id}").json()
    assert job["status"] == "running"
    assert job["placement"] == {"worker": "worker-9", "device": None}
    (attempt,) = job["attempts"]
    assert (attempt["number"], attempt["worker"], attempt["outcome"]) == (1, "worker-9", None)
    container.attempts.finish(claim, Outcome.ERROR, code="diverged", message="loss is nan")
    job = client.get(f"/v1/jobs/{claim.job.id}").json()
    assert job["error"] == {"code": "diverged", "message": "loss is nan"}
    assert job["attempts"][0]["outcome"] == "error"
    moves = [move["status"] for move in job["status_transitions"]]
    assert moves == ["queued", "running", "failed"]
    assert job["finished_at"].endswith("Z")


def test_cancel_and_kill(client: httpx.Client, container: Container) -> None:
    queued = factories.submit(container)
    assert client.post(f"/v1/jobs/{queued}/cancel").json()["status"] == "cancelled"
    again = client.post(f"/v1/jobs/{queued}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "invalid_state")
    assert "cancelled" in again.json()["detail"]
    running = factories.running(container).job.id
    assert client.post(f"/v1/jobs/{running}/cancel").json()["status"] == "cancelling"
    assert client.post(f"/v1/jobs/{running}/kill").json()["status"] == "cancelling"
    for verb in ("cancel", "kill"):
        missing = client.post(f"/v1/jobs/job_nope/{verb}")
        assert (missing.status_code, missing.json()["code"]) == (404, "job_not_found")


@pytest.mark.parametrize("part", ["", "/events", "/checkpoints", "/artifacts"])
def test_what_belongs_to_no_job_is_not_found(client: httpx.Client, part: str) -> None:
    response = client.get(f"/v1/jobs/job_nope{part}")
    assert (response.status_code, response.json()["code"]) == (404, "job_not_found")


def test_a_database_that_goes_away_during_a_request_is_503(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.client.get("/v1/jobs")

    def fail() -> None:
        raise Unavailable("the database does not answer", code="unavailable")

    monkeypatch.setattr(api.container.db, "read", fail)
    monkeypatch.setattr(api.container.db, "write", fail)
    for path in ("/v1/jobs", "/v1/jobs/x", "/v1/models", "/v1/benchmarks", "/v1/workers"):
        assert api.client.get(path).status_code == 503
    assert api.client.post("/v1/jobs", json=SUBMIT).status_code == 503
