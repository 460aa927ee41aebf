from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from services.container import Container
from services.db.tables import ApiKey, Worker
from services.errors import Invalid, NotFound, Unauthorized
from services.keys import Scope
from services.workers import WorkerInfo
from tests.services.conftest import RecordingQueue


def test_a_key_opens_until_it_is_revoked_and_only_its_digest_is_kept(container: Container) -> None:
    assert not container.keys.any()
    row, secret = container.keys.create("ci", ["train", "read", "train"])
    assert secret.startswith("tk_")
    assert container.keys.authenticate(secret) == {Scope.READ, Scope.TRAIN}
    with container.db.read() as session:
        stored = session.get_one(ApiKey, row.id)
        assert secret not in str(vars(stored))
        assert len(stored.sha256) == 64
    container.keys.revoke(row.id)
    with pytest.raises(Unauthorized):
        container.keys.authenticate(secret)
    assert container.keys.any(), "revoking the last key does not open the service"
    assert [key.id for key in container.keys.list()] == [row.id]


@pytest.mark.parametrize("secret", ["", "tk_", "tk_wrong", "\udcff", "x" * 10_000])
def test_any_other_secret_is_refused(container: Container, secret: str) -> None:
    container.keys.create("ci", ["read"])
    with pytest.raises(Unauthorized):
        container.keys.authenticate(secret)


@pytest.mark.parametrize(("name", "scopes"), [("ci", []), ("ci", ["root"]), ("a b", ["read"])])
def test_a_bad_key_is_not_made(container: Container, name: str, scopes: list[str]) -> None:
    with pytest.raises(Invalid):
        container.keys.create(name, scopes)
    with pytest.raises(NotFound):
        container.keys.revoke("key_none")
    assert not container.keys.any()


def test_a_worker_is_listed_while_it_beats(container: Container) -> None:
    info = WorkerInfo("host-1", "host", 7, ["cpu"], 2, [{"name": "cpu"}])
    container.workers.register(info)
    assert container.workers.beat("host-1", ["job_1"])
    (worker,) = container.workers.list()
    assert (worker.slots, worker.queues, worker.current_jobs) == (2, ["cpu"], ["job_1"])
    container.workers.register(info)
    assert container.workers.list()[0].current_jobs == ["job_1"], "it only announced itself again"

    def age(seconds: float) -> None:
        with container.db.write() as session:
            earlier = container.db.now(session) - timedelta(seconds=seconds)
            session.execute(update(Worker).values(last_heartbeat=earlier))

    age(20)
    assert container.workers.list() == []
    assert container.workers.beat("host-1", []), "it was only slow"
    assert len(container.workers.list()) == 1
    age(60)
    assert not container.workers.beat("host-1", []), "forgotten: it has to register again"
    container.workers.register(info)
    container.workers.leave("host-1")
    assert container.workers.list() == []


def test_health_names_the_part_that_does_not_answer(
    container: Container, queue: RecordingQueue
) -> None:
    assert container.health.check() == {"database": None, "broker": None}
    queue.broken = True
    assert container.health.check() == {
        "database": None,
        "broker": "the broker does not answer",
    }
