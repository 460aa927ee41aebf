"""Trainers are warm before they are wanted, and no more of them than that."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from services.container import Container
from tests.workers.trainers import TRAINER
from tests.workers.waiting import wait_for
from workers.devices import Devices
from workers.pool import TrainerPool
from workers.process import TrainerProcess
from workers.runs import Runs
from workers.station import Station
from workers.workdirs import WorkDirs


class Nursery:
    """Spawns, and remembers."""

    def __init__(self) -> None:
        self.spawned: list[TrainerProcess] = []
        self.command = TRAINER

    def spawn(self, changed: Callable[[], None]) -> TrainerProcess:
        trainer = TrainerProcess(self.command, on_change=changed)
        self.spawned.append(trainer)
        return trainer

    def living(self) -> int:
        return sum(trainer.exit is None for trainer in self.spawned)


@pytest.fixture
def nursery() -> Generator[Nursery]:
    made = Nursery()
    yield made
    for trainer in made.spawned:
        trainer.kill("test")
        assert trainer.wait(60)


def pool_of(nursery: Nursery, slots: int) -> TrainerPool:
    pool = TrainerPool(slots, nursery.spawn)
    pool.start()
    wait_for(lambda: pool.ready, "the first trainer")
    return pool


def take(pool: TrainerPool) -> TrainerProcess:
    trainer = pool.take()
    assert trainer is not None
    return trainer


def test_one_is_warm_while_a_slot_is_free(nursery: Nursery) -> None:
    pool = pool_of(nursery, slots=1)
    first = take(pool)
    assert first.ready is not None
    assert nursery.spawned == [first]
    pool.done(first)
    assert first.exit is not None
    second = take(pool)
    assert second is not first
    pool.done(second)
    pool.close()
    assert nursery.living() == 0


def test_a_slot_is_free_again_when_the_next_is_warm(
    nursery: Nursery, local_container: Container, tmp_path: Path
) -> None:
    pool = pool_of(nursery, slots=1)
    station = Station(
        local_container, "worker-1", pool, Devices(["cpu"]), WorkDirs(tmp_path, "worker-1"), Runs()
    )
    station.take_up(object, lambda *_: None)
    assert pool.states() == {"starting": 0, "warm": 1, "taken": 0}
    pool.close()


def test_nobody_waits_for_one_in_a_pool_that_is_closed(nursery: Nursery) -> None:
    pool = pool_of(nursery, slots=1)
    first = take(pool)
    nursery.command = ("false",)
    pool.done(first)
    waiting = threading.Thread(target=pool.refill)
    waiting.start()
    pool.close()
    waiting.join(20)
    assert not waiting.is_alive()


def test_the_next_is_warmed_up_when_a_run_has_done_its_hard_part(nursery: Nursery) -> None:
    pool = pool_of(nursery, slots=1)
    first = take(pool)
    pool.spare(first)
    wait_for(lambda: len(nursery.spawned) == 2 and nursery.spawned[1].ready, "the next")
    assert first.exit is None
    pool.done(first)
    assert take(pool) is nursery.spawned[1]
    pool.close()


def test_one_is_started_for_each_that_is_waited_for(nursery: Nursery) -> None:
    pool = pool_of(nursery, slots=3)
    taken: list[TrainerProcess] = []
    takers = [threading.Thread(target=lambda: taken.append(take(pool))) for _ in range(3)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert len(set(taken)) == len(nursery.spawned) == 3
    for trainer in taken:
        pool.done(trainer)
    pool.close()


def test_one_that_was_not_used_is_used_for_the_next(nursery: Nursery) -> None:
    pool = pool_of(nursery, slots=1)
    trainer = take(pool)
    pool.put_back(trainer)
    assert take(pool) is trainer
    pool.close()


def test_one_that_dies_while_it_waits_is_replaced(nursery: Nursery) -> None:
    pool = pool_of(nursery, slots=1)
    nursery.spawned[0].kill("out of memory")
    wait_for(lambda: len(nursery.spawned) == 2, "another")
    assert take(pool) is nursery.spawned[1]
    pool.close()


def test_a_trainer_that_cannot_start_is_tried_again(nursery: Nursery) -> None:
    nursery.command = (sys.executable, "-c", "raise SystemExit('no torch here')")
    pool = TrainerPool(1, nursery.spawn)
    pool.start()
    wait_for(lambda: nursery.spawned and nursery.spawned[0].exit, "it to fail")
    nursery.command = TRAINER
    assert take(pool).ready is not None
    pool.close()


def test_a_closed_pool_gives_nothing_to_those_who_wait(nursery: Nursery) -> None:
    pool = pool_of(nursery, slots=1)
    first = take(pool)
    nursery.command = (sys.executable, "-c", "import time; time.sleep(600)")
    got: list[TrainerProcess | None] = []
    waiting = threading.Thread(target=lambda: got.append(pool.take()))
    waiting.start()
    wait_for(lambda: len(nursery.spawned) == 2, "a trainer for the one who waits")
    pool.close()
    waiting.join()
    assert got == [None]
    assert nursery.spawned[1].exit is not None
    assert first.exit is None
    pool.done(first)
