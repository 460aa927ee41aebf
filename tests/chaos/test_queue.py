"""Many jobs through the whole of it: API, queue, claim, supervisor, end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat

import httpx
import pytest

from tests.chaos import crowds
from tests.chaos.apis import Api
from tests.chaos.figures import Figures, spread
from tests.chaos.stacks import DEFAULTS, EMBEDDED, INSTANT, WORKER, Stack
from tests.workers.waiting import wait_for

JOBS = 10_000
REAL_JOBS = 60
CLIENTS = 4
WORKERS = 2
SLOTS = 4
BODY = {"pipeline": crowds.NEW.pipeline}


def submit(api: Api, jobs: int) -> tuple[list[float], float]:
    """By several clients over connections that stay open. → milliseconds of each request, and how
    many there were a second."""

    def ask(count: int) -> list[float]:
        with httpx.Client(base_url=api.url, trust_env=False, timeout=60) as client:
            return [timed(client) for _ in range(count)]

    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as clients:
        times = [ms for found in clients.map(ask, repeat(jobs // CLIENTS, CLIENTS)) for ms in found]
    return times, len(times) / (time.monotonic() - began)


def timed(client: httpx.Client) -> float:
    began = time.perf_counter()
    answer = client.post("/v1/jobs", json=BODY)
    assert answer.status_code == 202, answer.text
    return 1e3 * (time.perf_counter() - began)


def drain(stack: Stack, jobs: int) -> float:
    """→ jobs a second, from the first that has ended."""
    wait_for(lambda: crowds.unfinished(stack.container) < jobs, "the first job to end")
    left, began = crowds.unfinished(stack.container), time.monotonic()
    crowds.drained(stack.container)
    crowds.check_each_ran_once(stack.container, jobs)
    return left / (time.monotonic() - began)


def test_a_queue_drains_and_none_is_lost(small: Stack) -> None:
    submit(small.api(), 24)
    small.worker(*INSTANT, TORCHKILN_JOB_SLOTS="2")
    drain(small, 24)


@pytest.mark.chaos
@pytest.mark.timeout(1500)
def test_ten_thousand_jobs(stack: Stack, figures: Figures) -> None:
    times, rate = submit(stack.api(), JOBS)
    figures.say(f"{JOBS} jobs are queued, {rate:.0f} a second")
    for _ in range(WORKERS):
        stack.worker(*INSTANT, **DEFAULTS, TORCHKILN_JOB_SLOTS=str(SLOTS))
    per_s = round(drain(stack, JOBS), 1)
    found = {"submit_ms": spread(times), "submits_per_s": round(rate), "jobs_per_s": per_s}
    figures.note("queue", jobs=JOBS, workers=WORKERS, slots=SLOTS, **found)


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stack", [EMBEDDED], indirect=True)
def test_jobs_with_trainers_of_their_own(stack: Stack, figures: Figures) -> None:
    """Each in a fresh process that has imported torch, as jobs are."""
    submit(stack.api(), REAL_JOBS)
    start = partial(stack.worker, *WORKER, **DEFAULTS, TORCHKILN_THREADS_PER_JOB="1")
    start(TORCHKILN_JOB_SLOTS="2")
    per_s = round(drain(stack, REAL_JOBS), 2)
    figures.note("real_queue", jobs=REAL_JOBS, jobs_per_s=per_s)
