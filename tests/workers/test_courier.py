"""News of jobs on their way to real receivers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from services.container import Container
from services.db.tables import Delivery, Job
from services.errors import Unavailable
from services.ids import new_id
from services.settings import Settings
from services.webhook_sender import WebhookSender
from tests.support.receivers import Received, Receiver, receiver
from tests.workers.stations import submit
from tests.workers.waiting import wait_for
from tests.workers.worker_processes import Start, ended
from workers.courier import Courier

KEY = b"a key of the tests' own"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
PAST = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def served() -> Generator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def hook(served: Receiver) -> Receiver:
    served.received.clear()
    served.answers.clear()
    served.headers.clear()
    return served


def allowing(settings: Settings, *hosts: str, **changes: Any) -> Settings:
    values = {"webhook_hosts": hosts, "webhook_secret": SecretStr(SECRET), **changes}
    return settings.model_copy(update=values)


class Running:
    """Couriers at work in threads of this process."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._started: list[tuple[Courier, threading.Thread]] = []

    def start(self, *hosts: str, limit_s: float = 60.0, **changes: Any) -> None:
        deliveries = self._container.deliveries
        settings = allowing(self._container.settings, *hosts, **changes)
        courier = Courier(
            deliveries, WebhookSender(deliveries, settings, limit_s=limit_s), 0.05, grace_s=0.0
        )
        self._started.append((courier, threading.Thread(target=courier.run)))
        self._started[-1][1].start()

    def stop(self) -> None:
        for courier, thread in self._started:
            courier.stop()
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture
def couriers(local_container: Container) -> Generator[Running]:
    running = Running(local_container)
    yield running
    running.stop()


def news(container: Container, url: str) -> str:
    """Something to tell. → the id of the delivery."""
    job_id = submit(container, "count")
    with container.db.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(webhook=url))
    container.job_control.cancel(job_id)
    return container.deliveries.list(job_id)[0].id


def row(container: Container, delivery_id: str) -> Delivery:
    with container.db.read() as session:
        return session.get_one(Delivery, delivery_id)


def failed(container: Container, delivery_id: str, reason: str = "") -> Delivery:
    """The delivery once a try has come to nothing, for that reason."""

    def look() -> Delivery | None:
        found = row(container, delivery_id)
        return found if found.error and reason in found.error else None

    return wait_for(look, "a try to fail")


def arrived(container: Container, delivery_id: str) -> Delivery:
    return wait_for(
        lambda: (found := row(container, delivery_id)) and found.delivered_at and found,
        "it to arrive",
    )


def make_due(container: Container) -> None:
    with container.db.write() as session:
        session.execute(update(Delivery).where(Delivery.due_at.is_not(None)).values(due_at=PAST))


def verify(got: Received) -> None:
    """As a receiver does it that has read nothing but the specification."""
    signed = b".".join([got.id.encode(), got.headers["webhook-timestamp"].encode(), got.body])
    expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert got.headers["webhook-signature"] == f"v1,{expected}"


def test_news_arrives_signed(local_container: Container, couriers: Running, hook: Receiver) -> None:
    couriers.start(hook.host)
    delivery = arrived(local_container, news(local_container, hook.url("/ok?a=%20b")))
    (got,) = hook.received
    verify(got)
    assert got.path == "/ok?a=%20b"
    assert (got.id, got.headers["content-type"]) == (delivery.id, "application/json")
    assert got.json() == delivery.payload
    assert (delivery.tries, delivery.due_at, delivery.error) == (1, None, None)


def test_what_fails_is_tried_again_later_with_the_same_id(
    local_container: Container, couriers: Running, hook: Receiver
) -> None:
    hook.answers["/late"] = [500, 503, 200]
    hook.headers["Retry-After"] = "1800"
    made = news(local_container, hook.url("/late"))
    couriers.start(hook.host)
    first = failed(local_container, made)
    assert first.error == "expected an answer of 2xx, got 500"
    assert first.due_at is not None
    assert (first.due_at - first.created_at).total_seconds() >= 1800
    make_due(local_container)
    assert failed(local_container, made, "got 503").tries == 2
    make_due(local_container)
    done = arrived(local_container, made)
    assert (done.tries, done.error) == (3, None)
    assert {got.id for got in hook.received} == {made}
    for got in hook.received:
        verify(got)


def test_a_receiver_that_wants_no_more_is_left_alone(
    local_container: Container, couriers: Running, hook: Receiver
) -> None:
    hook.answers = {"/gone": [410], "/never": [400]}
    couriers.start(hook.host, webhook_tries=2)
    gone = failed(local_container, news(local_container, hook.url("/gone")))
    assert (gone.due_at, gone.delivered_at) == (None, None)
    assert gone.error == "the receiver answered 410: it wants no more"
    made = news(local_container, hook.url("/never"))
    assert failed(local_container, made).due_at is not None
    make_due(local_container)
    wait_for(lambda: row(local_container, made).due_at is None, "it to be given up")
    error = row(local_container, made).error
    assert error == "expected an answer of 2xx, got 400; given up after 2 tries"


def test_redirects_are_not_followed_and_hosts_may_be_forbidden_later(
    local_container: Container, couriers: Running, hook: Receiver
) -> None:
    hook.answers["/moved"] = [307]
    hook.headers["Location"] = hook.url("/elsewhere")
    elsewhere = news(local_container, "http://127.0.0.1:1/")
    couriers.start(hook.host)
    moved = failed(local_container, news(local_container, hook.url("/moved")))
    assert moved.error == "expected an answer of 2xx, got 307, and redirects are not followed"
    assert moved.due_at is not None
    assert hook.at("/elsewhere") == []
    forbidden = failed(local_container, elsewhere)
    assert forbidden.due_at is None
    assert "the hosts that the operator allows" in (forbidden.error or "")


def test_receivers_without_an_end_hold_nothing_up(
    local_container: Container, couriers: Running, hook: Receiver
) -> None:
    slow = [news(local_container, hook.url(path)) for path in ("/hang", "/drip")]
    nobody = news(local_container, "http://127.0.0.1:1/")
    endless = news(local_container, hook.url("/endless"))
    couriers.start(hook.host, "127.0.0.1:1", limit_s=1.0)
    arrived(local_container, endless)
    for made in slow:
        assert failed(local_container, made).error == "no answer within 1 s"
    assert (failed(local_container, nobody).error or "").startswith("the request failed: ")


def test_a_courier_leaves_a_receiver_that_hangs(
    local_container: Container, couriers: Running, hook: Receiver
) -> None:
    made = news(local_container, hook.url("/hang"))
    couriers.start(hook.host)
    wait_for(lambda: hook.at("/hang"), "it to be sent")
    couriers.stop()
    left = row(local_container, made)
    assert (left.tries, left.error, left.delivered_at) == (1, None, None)
    assert left.due_at is not None, "another worker tries it when the lease is over"


def test_couriers_side_by_side_send_each_once(
    local_container: Container, couriers: Running, hook: Receiver
) -> None:
    made = [news(local_container, hook.url(f"/{number}")) for number in range(12)]
    for _ in range(3):
        couriers.start(hook.host)
    for one in made:
        assert arrived(local_container, one).tries == 1
    assert sorted(got.id for got in hook.received) == sorted(made)


def test_a_courier_outlives_a_database_that_is_away(
    local_container: Container,
    couriers: Running,
    hook: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deliveries, away = local_container.deliveries, threading.Event()

    def broken(*_: object) -> None:
        away.set()
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(deliveries, "take", broken)
    couriers.start(hook.host)
    assert away.wait(60)
    away.clear()
    monkeypatch.undo()
    monkeypatch.setattr(deliveries, "arrived", broken)
    made = news(local_container, hook.url())
    assert away.wait(60)
    monkeypatch.undo()
    make_due(local_container)
    assert arrived(local_container, made).tries == 2


def test_a_worker_tells_of_the_end_of_a_job(
    container: Container, start: Start, hook: Receiver
) -> None:
    job_id = submit(container, "count", epochs=1)
    with container.db.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(webhook=hook.url("/end")))
    start(TORCHKILN_WEBHOOK_HOSTS=hook.host, TORCHKILN_WEBHOOK_SECRET=SECRET)
    assert ended(container, job_id).job.status == "succeeded"
    wait_for(lambda: hook.at("/end"), "the news")
    (got,) = hook.at("/end")
    verify(got)
    assert (got.json()["type"], got.json()["data"]["id"]) == ("job.succeeded", job_id)
    assert got.id.startswith(new_id("dlv")[:4])


def test_hosts_without_a_secret_are_refused(start: Start) -> None:
    worker = start("-m", "workers", TORCHKILN_WEBHOOK_HOSTS="a.example")
    assert worker.wait() == 2
    assert "TORCHKILN_WEBHOOK_SECRET: " in worker.log.read_text()
