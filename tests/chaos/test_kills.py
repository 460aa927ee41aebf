"""Kill whom you like: the weights and the metrics are those of a run that nobody has touched."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from tests.chaos.figures import Figures, spread
from tests.chaos.kills import TRAINING, VICTIMS, Kill, Killing, Victim
from tests.chaos.stacks import BRISK, DEFAULTS, EXACT, WORKER, Stack
from tests.chaos.trainings import TRAININGS, Trainings

KILLS = 50
"""On each kind of stack."""
LANES = 2
"""Trainings at a time, each with a worker of its own, and another one that stands by. More of them
would measure how two cores are shared, not how long a recovery takes: a worker that is started
again needs one for ten seconds."""
ONE_THREAD = {"TORCHKILN_THREADS_PER_JOB": "1"}


@pytest.mark.slow
def test_a_training_whose_trainer_and_worker_are_killed_ends_as_if_they_had_not(
    small: Stack,
) -> None:
    trainings = Trainings.short(small.container)
    start = partial(small.worker, *EXACT, **BRISK)
    killing = Killing(small, trainings, start, latest=TRAINING, seed=1)
    for _ in range(2):
        start()
    with ThreadPoolExecutor(1) as beside:
        beside.submit(trainings.left_alone, "exact")
        kills = killing.trial("exact", ["trainer", "worker"])
    assert [kill.victim for kill in kills] == ["trainer", "worker"]


@pytest.mark.chaos
@pytest.mark.timeout(2700)
def test_trainings_at_length(stack: Stack, figures: Figures) -> None:
    trainings = Trainings.real(stack.container)
    start = partial(stack.worker, *WORKER, **DEFAULTS, **ONE_THREAD)
    killing = Killing(stack, trainings, start, seed=KILLS)
    for _ in range(2 * LANES):
        start()
    with ThreadPoolExecutor(LANES) as lanes:
        assert all(lanes.map(trainings.left_alone, TRAININGS))
        trials = [lanes.submit(killing.trial, name, [victim]) for name, victim in plan(KILLS)]
        kills: list[Kill] = []
        for trial in trials:
            kills += trial.result()
            if len(kills) % 5 == 0:
                figures.say(f"{len(kills)} of {len(trials)} killed, and equal")
    figures.note("kills", kills=len(kills), equal=len(kills), **by_victim(kills))


def plan(kills: int) -> Iterator[tuple[str, Victim]]:
    """Every training with every victim in turn."""
    pairs = itertools.cycle(itertools.product(TRAININGS, VICTIMS))
    return itertools.islice(pairs, kills)


def by_victim(kills: list[Kill]) -> dict[str, Any]:
    """Seconds until the next attempt made headway; of the trainer alone, and of the rest."""
    alone = [kill.recovery_s for kill in kills if kill.victim == "trainer"]
    others = [kill.recovery_s for kill in kills if kill.victim != "trainer"]
    return {
        "trainer_recovery_s": spread(alone),
        "worker_recovery_s": spread(others),
        "recovery_s": spread(alone + others),
    }
