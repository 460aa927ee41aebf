"""The live stream of a job's events, over connections that break."""

from __future__ import annotations

import pytest

from tests.torchkiln.fakeservice import FakeService, Reply, listing, problem, reply, sse
from tests.torchkiln.samples import event, job, metrics, status
from torchkiln import Client, TorchkilnError
from torchkiln.errors import NotFound, Overloaded

EVENTS = "/v1/jobs/job_1/events"
JOB = "/v1/jobs/job_1"


def last_ids(service: FakeService) -> list[str]:
    return [r.headers["Last-Event-ID"] for r in service.requests if r.path == EVENTS]


def test_stream_ends_with_the_job(service: FakeService, client: Client) -> None:
    told = [status(1, "running"), metrics(2, 1, loss=0.5), status(3, "succeeded")]
    service.answers[EVENTS] = sse(*told)
    assert list(client.jobs.events("job_1")) == told
    assert last_ids(service) == ["0"]


def test_broken_stream_goes_on_where_it_was(service: FakeService, client: Client) -> None:
    service.answers[EVENTS] = [
        sse(status(1, "running"), metrics(2, 1), broken=True),
        problem(503, "unavailable", "restarting"),
        sse(metrics(3, 2), broken=True),
        sse(status(4, "succeeded")),
    ]
    assert [told["id"] for told in client.jobs.events("job_1")] == [1, 2, 3, 4]
    assert last_ids(service) == ["0", "2", "2", "3"]


def test_break_after_the_last_event_is_looked_into(service: FakeService, client: Client) -> None:
    service.answers[EVENTS] = [sse(status(1, "failed"), broken=True), sse()]
    service.answers[JOB] = reply(job("failed"))
    assert [told["id"] for told in client.jobs.events("job_1")] == [1]
    assert last_ids(service) == ["0", "1"]


def test_resumed_job_does_not_end_at_its_first_end(service: FakeService, client: Client) -> None:
    service.answers[EVENTS] = sse(
        status(1, "failed"), status(2, "queued"), status(3, "running"), status(4, "succeeded")
    )
    assert len(list(client.jobs.events("job_1"))) == 4


def test_stream_cut_in_good_order_is_opened_again(service: FakeService, client: Client) -> None:
    """As a proxy does with one that is silent for long."""
    service.answers[EVENTS] = [sse(status(1, "queued")), sse(), sse(status(2, "cancelled"))]
    service.answers[JOB] = reply(job("queued"))
    assert [told["id"] for told in client.jobs.events("job_1")] == [1, 2]


def test_replayed_events_come_once(service: FakeService, client: Client) -> None:
    first, last = event(1, "log"), status(2, "succeeded")
    service.answers[EVENTS] = [sse(first, broken=True), sse(first, last)]
    assert list(client.jobs.events("job_1")) == [first, last]


def test_job_that_ended_long_ago(service: FakeService, client: Client) -> None:
    service.answers[EVENTS] = sse()
    service.answers[JOB] = reply(job())
    assert list(client.jobs.events("job_1", after=7)) == []
    assert last_ids(service) == ["7"]


def test_refusal_is_not_borne(service: FakeService, client: Client) -> None:
    with pytest.raises(NotFound):
        list(client.jobs.events("job_1"))
    assert len(service.requests) == 1


def test_patience_ends(service: FakeService, client: Client) -> None:
    service.answers[EVENTS] = problem(503, "unavailable", "the broker does not answer")
    with pytest.raises(Overloaded, match="broker"):
        list(client.jobs.events("job_1", patience_s=0))


@pytest.mark.parametrize(
    "answer",
    [
        reply({"object": "list"}),
        Reply(200, b"data: nonsense\n\n", {"Content-Type": "text/event-stream"}),
        Reply(200, b"data: {}\n\n", {"Content-Type": "text/event-stream"}),
        Reply(200, b"data: 7\n\n", {"Content-Type": "text/event-stream"}),
    ],
)
def test_no_event_stream(service: FakeService, client: Client, answer: Reply) -> None:
    service.answers[EVENTS] = answer
    with pytest.raises(TorchkilnError, match="event"):
        list(client.jobs.events("job_1"))


def test_history(service: FakeService, client: Client) -> None:
    service.answers[EVENTS] = listing(status(3, "running"))
    events, more = client.jobs.history("job_1", after=2, limit=1)
    assert ([told["id"] for told in events], more) == ([3], False)
    assert service.requests[0].path == f"{EVENTS}?after=2&limit=1"
