"""The broker only wakes workers up: what becomes of it costs delay, and nothing else."""

from __future__ import annotations

import time

import pytest
import redis

from tests.chaos import crowds
from tests.chaos.figures import Figures
from tests.chaos.stacks import BRISK, DEFAULTS, INSTANT, STUBS, Stack
from tests.chaos.trainings import check_ended_once
from tests.workers.stations import submit
from tests.workers.waiting import wait_for
from tests.workers.worker_processes import ended, in_training

WAKE_UPS = 20
JOBS = 100
AWAY_S = 60.0


def push_again(stack: Stack, epochs: int) -> None:
    """Wake two workers up for the same job, again and again while one of them has it."""
    container = stack.container
    job_id = submit(container, "count", epochs=epochs)
    in_training(container, job_id)
    for _ in range(WAKE_UPS):
        container.queue.wake_job(container.jobs.get(job_id).job)
    ended(container, job_id)
    with redis.Redis.from_url(stack.broker.url) as broker:
        wait_for(lambda: not waiting(broker), "the messages to be taken")
    view = container.jobs.get(job_id)
    check_ended_once(view, "succeeded")
    assert view.job.token == 1, "there was one claim"


def waiting(broker: redis.Redis) -> int:
    """Messages in the queues, which are one list for each priority."""
    return sum(int(broker.llen(key)) for key in broker.scan_iter("cpu*"))


def lose_the_broker(stack: Stack, jobs: int, away_s: float) -> None:
    """Empty it while jobs wait, then kill it while they run, and submit more meanwhile."""
    container = stack.container
    crowds.submit(container, jobs // 2)
    with redis.Redis.from_url(stack.broker.url) as broker:
        broker.flushall()
    stack.worker(*INSTANT, **BRISK if not away_s else DEFAULTS)
    wait_for(lambda: crowds.unfinished(container) < jobs // 2, "the first job to end")
    stack.broker.stop()
    crowds.submit(container, jobs - jobs // 2)
    time.sleep(away_s)
    stack.broker.start()
    crowds.drained(container)
    crowds.check_each_ran_once(container, jobs)


def test_a_job_is_claimed_once_however_often_it_is_announced(small: Stack) -> None:
    for _ in range(2):
        small.worker(*STUBS)
    push_again(small, epochs=30)


def test_a_broker_that_is_emptied_and_killed_loses_no_job(small: Stack) -> None:
    lose_the_broker(small, 10, 0)


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_wake_ups_at_length(stack: Stack, figures: Figures) -> None:
    for _ in range(2):
        stack.worker(*STUBS, **DEFAULTS)
    jobs = 10
    for _ in range(jobs):
        push_again(stack, epochs=30)
    figures.note("wake_ups", jobs=jobs, wake_ups=WAKE_UPS)


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_broker_away_for_a_minute(stack: Stack, figures: Figures) -> None:
    began = time.monotonic()
    lose_the_broker(stack, JOBS, AWAY_S)
    took_s = round(time.monotonic() - began)
    figures.note("broker", jobs=JOBS, away_s=AWAY_S, took_s=took_s)
