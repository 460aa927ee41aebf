"""The queue over a real Valkey server."""

from __future__ import annotations

import base64
from collections.abc import Generator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from services.db.tables import Benchmark, Job
from services.errors import Unavailable
from services.queue import RUN_BENCHMARK, RUN_JOB, CeleryQueue, queue_for
from services.settings import Settings
from tests.support import tls, valkey


@pytest.fixture
def broker(tmp_path: Path) -> Generator[valkey.Valkey]:
    with valkey.server(tmp_path / "valkey") as server:
        yield server


@pytest.fixture
def queue(broker: valkey.Valkey) -> Generator[CeleryQueue]:
    made = CeleryQueue(broker.url)
    yield made
    made.close()


def job(job_id: str = "job_1", *, device: str = "auto", priority: int = 5) -> Job:
    return Job(id=job_id, device=device, priority=priority)


def waiting(broker: valkey.Valkey) -> dict[str, list[dict[str, Any]]]:
    """The messages of each list in the broker."""
    client = redis.Redis.from_url(broker.url)
    try:
        lists = [key for key in client.keys("*") if client.type(key) == b"list"]
        return {
            key.decode(): [orjson.loads(text) for text in client.lrange(key, 0, -1)]
            for key in lists
        }
    finally:
        client.close()


def test_a_message_holds_a_task_and_an_id_and_nothing_else(
    queue: CeleryQueue, broker: valkey.Valkey
) -> None:
    queue.ping()
    queue.wake_job(job())
    queue.wake_job(job(device="cuda:1"))
    queue.wake_benchmark(Benchmark(id="bench_1"))
    found = waiting(broker)
    assert {name.split("\x06")[0] for name in found} == {"cpu", "gpu"}
    told = {
        (message["headers"]["task"], *orjson.loads(base64.b64decode(message["body"]))[0])
        for messages in found.values()
        for message in messages
    }
    assert told == {(RUN_JOB, "job_1"), (RUN_BENCHMARK, "bench_1")}
    bodies = [orjson.loads(base64.b64decode(m["body"])) for ms in found.values() for m in ms]
    assert all(body[1] == {} for body in bodies)


def test_the_more_urgent_is_in_the_list_that_is_served_first(
    queue: CeleryQueue, broker: valkey.Valkey
) -> None:
    for priority in (0, 9):
        queue.wake_job(job(f"job_{priority}", priority=priority))
    # Kombu keeps a list for each step of priority and serves them in order; 0, the first, has no
    # suffix.
    assert set(waiting(broker)) == {"cpu", "cpu\x06\x169"}


def test_what_waits_is_counted_over_all_priorities(queue: CeleryQueue) -> None:
    assert queue.waiting() == {"cpu": 0, "gpu": 0}
    for priority in range(10):
        queue.wake_job(job(f"job_{priority}", priority=priority))
    queue.wake_job(job(device="cuda"))
    assert queue.waiting() == {"cpu": 10, "gpu": 1}


def test_a_broker_that_is_gone_costs_a_message_and_no_error(
    queue: CeleryQueue, broker: valkey.Valkey
) -> None:
    queue.wake_job(job())
    broker.stop()
    queue.wake_job(job())
    with pytest.raises(Unavailable, match="broker"):
        queue.ping()
    broker.start()
    queue.ping()
    queue.wake_job(job("job_2"))
    (messages,) = waiting(broker).values()
    assert len(messages) == 2


@pytest.mark.parametrize(
    ("device", "name"), [("auto", "cpu"), ("cpu", "cpu"), ("cuda", "gpu"), ("cuda:3", "gpu")]
)
def test_a_job_goes_to_workers_that_have_its_device(device: str, name: str) -> None:
    assert queue_for(device) == name


@pytest.mark.parametrize(
    ("says", "trusted"),
    [("", False), ("?ssl_ca_certs={ca}", True), ("?ssl_cert_reqs=none", True)],
)
def test_a_certificate_is_checked_unless_the_url_says_not_to(
    broker: valkey.Valkey, tmp_path: Path, says: str, trusted: bool
) -> None:
    with tls.before(broker.port, tmp_path) as (port, ca):
        url = f"rediss://127.0.0.1:{port}/0{says.format(ca=ca)}"
        queue = CeleryQueue(Settings(redis_url=url).redis_url)
        try:
            queue.wake_job(job())
            if trusted:
                queue.ping()
            else:
                with pytest.raises(Unavailable):
                    queue.ping()
        finally:
            queue.close()
    assert bool(waiting(broker)) is trusted
