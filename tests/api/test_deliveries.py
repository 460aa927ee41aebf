"""What was sent to the webhook of a job."""

from __future__ import annotations

import httpx
from sqlalchemy import update

from services.container import Container
from services.db.tables import Job
from tests.services import factories
from torchkiln import Client


def test_deliveries_of_a_job_are_listed(client: httpx.Client, container: Container) -> None:
    job_id = factories.submit(container)
    with container.db.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(webhook="https://a.example/"))
    url = f"/v1/jobs/{job_id}/deliveries"
    assert client.get(url).json() == {"object": "list", "data": [], "has_more": False}
    assert client.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
    (row,) = client.get(url).json()["data"]
    assert row == {
        "id": row["id"],
        "object": "delivery",
        "type": "job.cancelled",
        "url": "https://a.example/",
        "created_at": client.get(f"/v1/jobs/{job_id}").json()["finished_at"],
        "tries": 0,
        "due_at": row["created_at"],
        "delivered_at": None,
        "error": None,
    }
    (taken,) = container.deliveries.take(1)
    container.deliveries.failed(taken, "no answer within 10 s", None)
    with Client(str(client.base_url)) as ours:
        (seen,) = ours.jobs.deliveries(job_id)
    assert (seen["id"], seen["tries"], seen["due_at"]) == (row["id"], 1, None)
    assert seen["error"] == "no answer within 10 s"


def test_deliveries_of_no_job(client: httpx.Client) -> None:
    missing = client.get("/v1/jobs/job_nope/deliveries")
    assert (missing.status_code, missing.json()["code"]) == (404, "job_not_found")
