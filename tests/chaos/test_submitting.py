"""The API is killed while it accepts jobs; a key that is sent again has the same job."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest
from sqlalchemy import select

from services.container import Container
from services.db.tables import Job
from tests.chaos.apis import Api
from tests.chaos.figures import Figures
from tests.chaos.stacks import Stack

KILLS = 100
"""For each kind of stack."""
LANES = 2
"""API processes that are killed at a time, each by itself: the time goes into starting them."""
CLIENTS = 8
WINDOW_S = 0.1
"""In it the kill comes, after the requests have left, at first."""
CHANGE = 1.3
"""By so much it becomes longer when nobody had an answer by then, shorter when everybody had."""
BODY = {"pipeline": "losses"}

Told = dict[str, str | None]
"""The job's id by the key, None where no answer came."""


def ask(api: Api, key: str) -> str | None:
    try:
        with httpx.Client(base_url=api.url, trust_env=False, timeout=60, verify=False) as client:
            answer = client.post("/v1/jobs", json=BODY, headers={"Idempotency-Key": key})
    except httpx.TransportError:
        return None
    assert answer.status_code in (200, 202), answer.text
    return answer.json()["id"]


def kept(container: Container, keys: Told) -> Counter[str | None]:
    """How many jobs there are of each of these keys."""
    with container.db.read() as session:
        return Counter(
            session.scalars(select(Job.idempotency_key).where(Job.idempotency_key.in_(keys)))
        )


def kill_while_submitting(stack: Stack, kills: int, lane: int = 0) -> Counter[str]:
    """→ in which state each request was when the API was killed."""
    api, dice, found = stack.api(), random.Random(lane), Counter[str]()
    window_s = WINDOW_S
    with ThreadPoolExecutor(CLIENTS) as clients:
        for number in range(kills):
            keys = [f"{lane}-{number}-{client}" for client in range(CLIENTS)]
            states = _kill_once(stack, api, clients, keys, window_s * dice.random())
            if len(states) == 1:
                window_s *= 1 / CHANGE if states["answered"] else CHANGE
            found += states
    return found


def _kill_once(
    stack: Stack, api: Api, clients: ThreadPoolExecutor, keys: list[str], after_s: float
) -> Counter[str]:
    asked = [clients.submit(ask, api, key) for key in keys]
    time.sleep(after_s)
    api.kill()
    first: Told = {key: answer.result() for key, answer in zip(keys, asked, strict=True)}
    before = kept(stack.container, first)
    api.start()
    again: Told = dict(zip(keys, clients.map(ask, [api] * len(keys), keys), strict=True))
    assert all(again[key] == told for key, told in first.items() if told is not None)
    assert kept(stack.container, first) == dict.fromkeys(keys, 1)
    assert len({*again.values()} - {None}) == len(keys)
    return Counter(state(told, kept=before[key] == 1) for key, told in first.items())


def state(told: str | None, *, kept: bool) -> str:
    if told is not None:
        assert kept, "what was answered is there"
        return "answered"
    return "kept, not answered" if kept else "not kept"


def test_a_key_has_one_job_whenever_the_api_is_killed(small: Stack) -> None:
    assert kill_while_submitting(small, 3).total() == 3 * CLIENTS


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_a_hundred_kills(stack: Stack, figures: Figures) -> None:
    share = partial(kill_while_submitting, stack, KILLS // LANES)
    with ThreadPoolExecutor(LANES) as lanes:
        found = sum(lanes.map(share, range(LANES)), Counter[str]())
    figures.note("submit", kills=KILLS, keys=found.total(), **found)
