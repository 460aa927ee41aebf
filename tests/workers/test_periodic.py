"""Threads that do something every so often, and the signals of the main one."""

from __future__ import annotations

import os
import signal
import threading

from services.container import Container
from services.errors import Unavailable
from services.workers import WorkerInfo
from tests.workers.waiting import wait_for
from workers.periodic import Periodic
from workers.presence import Presence
from workers.signals import Signals


def test_what_fails_is_done_again() -> None:
    failures = [Unavailable("away"), RuntimeError("broken")]
    done = threading.Event()

    def work() -> None:
        if failures:
            raise failures.pop(0)
        done.set()

    periodic = Periodic("work", 0.01, work)
    periodic.start()
    assert done.wait(60)
    periodic.stop()


def test_it_can_be_asked_to_do_it_now() -> None:
    calls: list[int] = []
    periodic = Periodic("work", 600, lambda: calls.append(1))
    periodic.start()
    wait_for(lambda: len(calls) == 1, "the first time")
    periodic.soon()
    wait_for(lambda: len(calls) == 2, "the second")
    periodic.stop()
    assert len(calls) == 2


def test_one_that_never_started_can_be_stopped() -> None:
    Periodic("work", 600, lambda: None).stop()


def test_signals_come_in_order_with_their_numbers() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Signals() as signals:
        assert signals.wait(0) is None
        os.kill(os.getpid(), signal.SIGTERM)
        signals.poke()
        os.kill(os.getpid(), signal.SIGINT)
        assert [signals.wait(60) for _ in range(3)] == [signal.SIGTERM, 0, signal.SIGINT]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_worker_is_in_the_list_from_its_first_beat_until_it_leaves(
    local_container: Container,
) -> None:
    workers = local_container.workers
    in_hand = ["job_1"]
    presence = Presence(workers, WorkerInfo("w1", "host", 1, [], 2), lambda: in_hand)
    presence.beat()
    presence.beat()
    (row,) = workers.list()
    assert (row.queues, row.devices, row.current_jobs) == ([], [], ["job_1"])
    presence.change(queues=["cpu"], devices=[{"name": "cpu"}], slots=2)
    presence.beat()
    (row,) = workers.list()
    assert (row.queues, row.devices, row.slots) == (["cpu"], [{"name": "cpu"}], 2)
    workers.leave("w1")
    presence.beat()
    assert len(workers.list()) == 1, "a row that was swept away is made again"
    presence.leave()
    assert workers.list() == []
