"""One job under many hands: whatever they do, and in whatever order, its history is a legal one."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.attempts import Report
from services.claims import Claim
from services.container import Container
from services.errors import Conflict
from services.events import Event, NewEvent
from services.job_state import ACTIVE, RESUMABLE, TERMINAL, TRANSITIONS, JobStatus, Outcome
from tests.services import factories

S = JobStatus

VERBS = ("pause", "resume", "cancel", "kill")
STOPS = {
    **dict.fromkeys((S.QUEUED, S.PAUSED), S.CANCELLED),
    **dict.fromkeys((S.RUNNING, S.PAUSING), S.CANCELLING),
}
ALLOWED: dict[str, dict[JobStatus, JobStatus]] = {
    "pause": {S.RUNNING: S.PAUSING},
    "resume": {S.PAUSING: S.RUNNING, **dict.fromkeys(RESUMABLE, S.QUEUED)},
    "cancel": STOPS,
    "kill": {**STOPS, S.CANCELLING: S.CANCELLING},
}
"""What an owner may do in which state, and where it leads."""
MOVES = (*VERBS, *Outcome)


def history(container: Container, job_id: str) -> list[Event]:
    """Its events of type `status`. All are numbered without a gap, and no move is forbidden."""
    events = container.events.list(job_id, limit=10_000).data
    assert [event.seq for event in events] == [*range(1, len(events) + 1)]
    told = [event for event in events if event.type == "status"]
    moves = [JobStatus(event.data["status"]) for event in told]
    assert moves[0] == S.QUEUED
    for before, after in pairwise(moves):
        assert after in TRANSITIONS[before], moves
    job = container.jobs.get(job_id).job
    assert (job.status, job.event_seq) == (moves[-1], len(events))
    assert (job.finished_at is not None) == (moves[-1] in TERMINAL)
    return told


def ends(events: list[Event]) -> dict[int, str]:
    """Attempts by their number, and how their end was told; each has one."""
    told = [event.data for event in events if "outcome" in event.data]
    assert len({data["attempt"] for data in told}) == len(told)
    return {data["attempt"]: data["outcome"] for data in told}


def test_owner_and_worker_may_do_what_the_table_says_and_nothing_else(
    container: Container,
) -> None:
    @given(moves=st.lists(st.sampled_from(MOVES), max_size=14), old=st.booleans())
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    def walk(moves: list[str], old: bool) -> None:
        job_id, claims = factories.submit(container), list[Claim]()
        for move in moves:
            before = JobStatus(container.jobs.get(job_id).job.status)
            if move in ALLOWED:
                owner_moves(container, job_id, move, before)
                continue
            claim = container.attempts.claim(job_id, "worker-1")
            assert (claim is not None) == (before is S.QUEUED)
            if claim is not None:
                claims.append(claim)
            elif claims:
                worker_ends(container, claims[0 if old else -1], claims[-1], move, before)
        told = ends(history(container, job_id))
        for attempt in container.jobs.get(job_id).attempts:
            assert attempt.outcome == told.get(attempt.number)

    walk()


def owner_moves(container: Container, job_id: str, verb: str, before: JobStatus) -> None:
    act = getattr(container.job_control, verb)
    if before in ALLOWED[verb]:
        assert act(job_id).job.status == ALLOWED[verb][before]
    else:
        assert refuses(act, job_id)
        assert container.jobs.get(job_id).job.status == before


def worker_ends(
    container: Container, claim: Claim, latest: Claim, move: str, before: JobStatus
) -> None:
    """Only the latest attempt can be ended, and only while it has the job."""
    if move == Outcome.SUCCEEDED:
        target = S.SUCCEEDED if container.attempts.succeed(claim, {}) else None
    else:
        target = container.attempts.finish(claim, Outcome(move), message="so it ended")
    if claim is not latest or before not in ACTIVE:
        assert target is None
    after = JobStatus(container.jobs.get(claim.job.id).job.status)
    assert after is (target or before)


def refuses(act: Callable[..., Any], job_id: str) -> bool:
    try:
        act(job_id)
    except Conflict:
        return True
    return False


def test_owners_and_workers_at_once_make_one_history(container: Container) -> None:
    """Three owners press every button, two workers serve the same job."""
    job_id, done = factories.submit(container), threading.Event()
    with ThreadPoolExecutor(5) as threads:
        served = [threads.submit(serve_all, container, job_id, done) for _ in range(2)]
        pressed = [threads.submit(press, container, job_id, seed) for seed in range(3)]
        try:
            accepted = sum((future.result() for future in pressed), Counter[str]())
        finally:
            done.set()
        claims = [claim for future in served for claim in future.result()]
    told = history(container, job_id)
    owned = Counter(event.data["status"] for event in told[1:] if "attempt" not in event.data)
    assert owned["pausing"] == accepted["pause"]
    assert owned["queued"] + owned["running"] == accepted["resume"]
    again = accepted["cancel"] + accepted["kill"] - owned["cancelled"] - owned["cancelling"]
    assert 0 <= again <= accepted["kill"], "a kill of what is being cancelled is no move"
    in_order = sorted(claims, key=lambda claim: claim.grip.token)
    assert [claim.number for claim in in_order] == [*range(1, len(claims) + 1)]
    assert len(ends(told)) >= len(claims) - 1, "but for the last, each has ended"


def press(container: Container, job_id: str, seed: int) -> Counter[str]:
    """→ how often each verb was accepted."""
    rng, accepted = random.Random(seed), Counter[str]()
    for _ in range(20):
        verb = rng.choices(VERBS, (4, 6, 1, 1))[0]
        accepted[verb] += not refuses(getattr(container.job_control, verb), job_id)
        time.sleep(0.002)
    return accepted


def serve_all(container: Container, job_id: str, done: threading.Event) -> list[Claim]:
    """What a worker does with each wake-up. → its claims."""
    claims: list[Claim] = []
    while not done.wait(0.002):
        if claim := container.attempts.claim(job_id, "worker"):
            claims.append(claim)
            serve(container, claim, done)
    return claims


def serve(container: Container, claim: Claim, done: threading.Event) -> None:
    """Report until the owner wants otherwise, as a supervisor does."""
    while (beat := container.attempts.look(claim)) and not done.wait(0.002):
        assert container.attempts.record(claim, Report([NewEvent("log", "on and on")]))
        if beat.status is not S.RUNNING:
            outcome = Outcome.PAUSED if beat.status is S.PAUSING else Outcome.CANCELLED
            # A pause may be withdrawn, or become a cancellation, before this is written.
            assert container.attempts.finish(claim, outcome) in {S.PAUSED, S.QUEUED, S.CANCELLED}
