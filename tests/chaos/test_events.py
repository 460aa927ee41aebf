"""A client that follows a job sees each event once and in order, whoever is killed meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chaos.apis import Api
from tests.chaos.figures import Figures
from tests.chaos.kills import Victim, hands_of
from tests.chaos.stacks import BRISK, STUBS, Stack
from tests.chaos.trainings import check_ended_once
from tests.workers.stations import events_of, submit
from tests.workers.waiting import wait_for
from tests.workers.worker_processes import ended, in_training
from torchkiln import Client

EPOCHS = 2000
"""A hundred seconds at least: the job has to outlive every kill."""


class Follower:
    """A client with the stream of one job, in a thread of its own."""

    def __init__(self, url: str, job_id: str) -> None:
        self._url = url
        self._job_id = job_id
        self.seen: list[int] = []
        self.ended = False

    def run(self) -> None:
        with Client(self._url) as client:
            for event in client.jobs.events(self._job_id):
                self.seen.append(event["id"])
        self.ended = True

    def gets_on(self) -> None:
        """Wait for news that the stream has brought after this."""
        known = len(self.seen)
        wait_for(lambda: self.ended or len(self.seen) > known, "an event")


def follow(stack: Stack, victims: Sequence[Victim | None], epochs: int) -> tuple[int, int]:
    """Kill an API process and, where one is named, who makes the attempt. → events, those seen."""
    api, container = stack.api(), stack.container
    job_id = submit(container, "count", epochs=epochs)
    in_training(container, job_id)
    follower = Follower(api.url, job_id)
    with ThreadPoolExecutor(1) as beside:
        following = beside.submit(follower.run)
        for victim in victims:
            follower.gets_on()
            _kill(stack, api, job_id, victim)
        following.result()
    view = ended(container, job_id)
    check_ended_once(view, *["lost" for victim in victims if victim], "succeeded")
    told = [event.seq for event in events_of(container, job_id)]
    assert follower.seen == told
    return len(told), len(follower.seen)


def _kill(stack: Stack, api: Api, job_id: str, victim: Victim | None) -> None:
    attempt = stack.container.jobs.get(job_id).attempts[-1]
    api.kill()
    if victim is not None:
        hands_of(stack, attempt).kill(victim)
    if victim in ("worker", "both"):
        stack.worker(*STUBS, **BRISK)
    api.start()
    if victim is not None:
        number = attempt.number + 1
        wait_for(lambda: len(stack.container.jobs.get(job_id).attempts) == number, "the next one")


def test_a_stream_goes_on_over_dead_processes(small: Stack) -> None:
    small.worker(*STUBS, **BRISK)
    follow(small, ["trainer", None], epochs=60)


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_streams_go_on_over_dead_processes(stack: Stack, figures: Figures) -> None:
    runs: list[list[Victim | None]] = [["trainer", "worker", None], [None, "both", "trainer"]]
    for _ in range(2):
        stack.worker(*STUBS, **BRISK)
    found = [follow(stack, victims, epochs=EPOCHS) for victims in runs]
    events, seen = (sum(column) for column in zip(*found, strict=True))
    kills = sum(map(len, runs)) + sum(victim is not None for victims in runs for victim in victims)
    figures.note("events", streams=len(runs), kills=kills, events=events, seen=seen)
