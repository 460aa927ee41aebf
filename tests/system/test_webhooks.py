"""From a job's submission to the news of its end, on real processes."""

from __future__ import annotations

import pytest

from services.webhook_signature import key_of, signature_headers
from tests.support.receivers import Receiver
from tests.system.conftest import WEBHOOK_SECRET
from tests.torchkiln.upstack import until
from torchkiln import Client
from torchkiln.errors import Invalid

pytestmark = pytest.mark.stack


@pytest.mark.long
def test_the_end_of_a_job_is_told(client: Client, hook: Receiver) -> None:
    url = hook.url("/told")
    job = client.jobs.submit("diagnostics", webhook=url)
    assert client.jobs.wait(job["id"], timeout_s=240)["status"] == "succeeded"
    until(lambda: client.jobs.deliveries(job["id"])[0]["delivered_at"])
    (got,) = hook.at("/told")
    (delivery,) = client.jobs.deliveries(job["id"])
    assert (delivery["id"], delivery["type"], delivery["url"]) == (got.id, "job.succeeded", url)
    told = got.json()["data"]
    assert (told["id"], told["status"], told["attempt"]) == (job["id"], "succeeded", 1)
    sent_at = int(got.headers["webhook-timestamp"])
    expected = signature_headers(key_of(WEBHOOK_SECRET), got.id, sent_at, got.body)
    assert got.headers.items() >= expected.items()


def test_no_job_may_name_another_host(client: Client, hook: Receiver) -> None:
    with pytest.raises(Invalid) as raised:
        client.jobs.submit("diagnostics", webhook="https://evil.example/")
    (problem,) = raised.value.errors
    assert problem.field == "webhook"
    assert f"({hook.host}), got host evil.example" in problem.message
