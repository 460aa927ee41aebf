"""Seats of an attempt: given to one worker each, held by a lease, and void with the attempt."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from services.claims import Claim
from services.container import Container
from services.db.tables import Job, Seat
from services.job_state import JobStatus, Outcome
from services.seats import SeatClaim
from services.workers import WorkerInfo
from tests.services import factories
from tests.services.conftest import RecordingQueue

ENDPOINT = "10.0.0.1:40000"


def registered(container: Container, count: int) -> None:
    for number in range(1, count + 1):
        devices = [{"name": "cpu"}]
        info = WorkerInfo(f"worker-{number}", "host", 1, ["cpu"], 1, devices)
        container.workers.register(info)


def led(container: Container, hosts: int = 3, least: int | None = None) -> Claim:
    """→ the claim of `worker-1`, whose seats are put out."""
    registered(container, hosts)
    spread = {"world_size": 2 * hosts, "hosts": hosts, "min_world_size": least}
    claim = factories.running(container, **spread)
    assert container.seats.put_out(claim, ENDPOINT, "cpu", None)
    return claim


def taken(container: Container, claim: Claim, worker: str) -> SeatClaim:
    seat = container.seats.take(claim.job.id, worker)
    assert seat is not None
    return seat


def rows(container: Container) -> Sequence[Seat]:
    with container.db.read() as session:
        return session.scalars(select(Seat).order_by(Seat.number)).all()


def lapse(container: Container, seat: SeatClaim) -> None:
    with container.db.write() as session:
        past = container.db.now(session) - timedelta(seconds=1)
        session.execute(update(Seat).where(Seat.number == seat.number).values(lease_until=past))


def test_seats_are_put_out_and_a_worker_is_called_for_each(
    container: Container, queue: RecordingQueue
) -> None:
    claim = led(container)
    assert [(row.number, row.status, row.endpoint) for row in rows(container)] == [
        (1, "free", ENDPOINT),
        (2, "free", ENDPOINT),
    ]
    assert queue.woken[1:] == [f"{claim.job.id} on cpu"] * 2


def test_each_worker_has_one_seat_and_the_leader_none(container: Container) -> None:
    claim = led(container)
    take = container.seats.take
    assert take(claim.job.id, "worker-1") is None
    first = taken(container, claim, "worker-2")
    assert (first.number, first.endpoint, first.device) == (1, ENDPOINT, "cpu")
    assert (first.claim.grip, first.claim.number) == (claim.grip, claim.number)
    assert take(claim.job.id, "worker-2") is None
    assert taken(container, claim, "worker-3").number == 2
    assert take(claim.job.id, "worker-4") is None


def test_two_slots_of_a_worker_that_ask_at_once_get_one_seat(container: Container) -> None:
    claim = led(container, hosts=6)
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda _: container.seats.take(claim.job.id, "worker-2"), range(4))
        assert sum(seat is not None for seat in found) == 1


def test_a_worker_whose_devices_do_not_fit_leaves_the_seat(container: Container) -> None:
    claim = led(container)
    asked: list[tuple[str, str]] = []

    def never(device: str, job: Job) -> bool:
        asked.append((device, job.id))
        return False

    assert container.seats.take(claim.job.id, "worker-2", never) is None
    assert asked == [("cpu", claim.job.id)]
    assert {row.status for row in rows(container)} == {"free"}


def test_all_go_on_from_the_checkpoint_of_the_leader(container: Container, tmp_path: Path) -> None:
    registered(container, 2)
    spread = {"world_size": 2, "hosts": 2}
    claim = factories.running(container, **spread)
    for step in (1, 2):
        new = factories.checkpoint(tmp_path, step=step)
        assert container.attempt_files.add_checkpoint(claim, new)
    second, first = container.jobs.checkpoints(claim.job.id)
    assert container.seats.put_out(claim, ENDPOINT, "cpu", first.id)
    points = taken(container, claim, "worker-2").claim.resume_points
    assert [point.id for point in points] == [first.id]
    assert second.id != first.id


def test_the_run_begins_with_all_or_with_as_many_as_will_do(container: Container) -> None:
    claim = led(container, least=4)
    seats = container.seats
    assert seats.fill(claim, 3) is None
    taken(container, claim, "worker-3")
    assert seats.fill(claim, 3) is None
    assert len(rows(container)) == 2
    assert seats.fill(claim, 2) == {1: "worker-3"}
    assert [row.number for row in rows(container)] == [1]
    assert seats.take(claim.job.id, "worker-2") is None
    *_, told = container.events.list(claim.job.id).data
    assert (told.message, told.level) == ("2 of 3 hosts are there, for 4 processes", "warning")
    assert told.data == {"hosts": 2, "world_size": 4, "members": ["worker-3"]}


def test_while_hosts_gather_a_seat_that_was_lost_is_another_s(
    container: Container, queue: RecordingQueue
) -> None:
    claim = led(container, hosts=4)
    silent, left, there = (taken(container, claim, f"worker-{n}") for n in (2, 3, 4))
    lapse(container, silent)
    assert container.seats.leave(left, "lost", "its trainer ended")
    before = len(queue.woken)
    assert container.seats.call_again(claim) == 2
    assert queue.woken[before:] == [f"{claim.job.id} on cpu"] * 2
    assert not container.seats.beat(silent)
    assert container.seats.beat(there)
    assert taken(container, claim, "worker-2").number == 1
    assert taken(container, claim, "worker-5").number == 2
    assert container.seats.fill(claim, 4) == {1: "worker-2", 2: "worker-5", 3: "worker-4"}


def test_a_leader_sees_who_is_lost_and_who_wants_to_go(container: Container) -> None:
    claim = led(container, hosts=4)
    silent, left, leaving = (taken(container, claim, f"worker-{n}") for n in (2, 3, 4))
    assert container.seats.fill(claim, 4) is not None
    assert container.seats.losses(claim) == []
    lapse(container, silent)
    assert container.seats.leave(left, "oom", "no memory")
    assert container.seats.leaving(leaving)
    assert container.seats.beat(leaving)
    first, second, third = container.seats.losses(claim)
    assert (first.worker, first.leaves, first.code) == ("worker-2", False, "lost")
    assert (second.worker, second.code, second.message) == ("worker-3", "oom", "no memory")
    assert (third.worker, third.leaves) == ("worker-4", True)


def end(container: Container, claim: Claim) -> Any:
    return container.attempts.finish(claim, Outcome.LOST)


def let_go(container: Container, claim: Claim) -> None:
    container.seats.let_go(claim)


@pytest.mark.parametrize("over", [end, let_go])
def test_a_seat_is_void_when_the_attempt_is_over(container: Container, over: Any) -> None:
    claim = led(container)
    seat = taken(container, claim, "worker-2")
    assert container.seats.look(seat)
    over(container, claim)
    seats = container.seats
    assert not seats.look(seat)
    assert not seats.beat(seat)
    assert not seats.leave(seat, "lost", "too late")
    assert seats.take(claim.job.id, "worker-3") is None
    assert rows(container) == []


def test_a_seat_of_an_earlier_attempt_is_nothing_in_the_next(container: Container) -> None:
    claim = led(container)
    old = taken(container, claim, "worker-2")
    end(container, claim)
    again = factories.claimed(container, claim.job.id, "worker-3")
    assert container.seats.put_out(again, ENDPOINT, "cpu", None)
    assert not container.seats.put_out(claim, ENDPOINT, "cpu", None)
    assert not container.seats.look(old)
    assert taken(container, again, "worker-2").claim.grip == again.grip
    assert not container.seats.beat(old)


def test_nobody_leads_where_too_few_hosts_have_room(container: Container) -> None:
    registered(container, 2)
    job_id = factories.submit(container, world_size=6, hosts=3, min_world_size=4)
    container.workers.beat("worker-2", ["job_other"])
    assert container.jobs.get(job_id).waiting_for == "1 more host"
    assert container.attempts.claim(job_id, "worker-1") is None
    assert container.jobs.get(job_id).job.status == JobStatus.QUEUED
    container.workers.beat("worker-2", [job_id])
    assert container.jobs.get(job_id).waiting_for == "a free slot"
    assert container.attempts.claim(job_id, "worker-1") is not None


def test_an_attempt_without_enough_hosts_costs_nothing_and_rests(
    container: Container, queue: RecordingQueue
) -> None:
    claim = led(container)
    before = list(queue.woken)
    finish = container.attempts.finish
    assert finish(claim, Outcome.RELEASED, at_once=False) == JobStatus.QUEUED
    assert queue.woken == before
