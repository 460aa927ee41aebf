"""A job that takes more memory than it may fails by itself, and its neighbours go on."""

from __future__ import annotations

import pytest

from services.job_request import NewJob
from services.job_state import JobStatus
from services.job_views import JobView
from tests.chaos.figures import Figures
from tests.chaos.stacks import BRISK, DEFAULTS, STUBS, WORKER, Stack
from tests.chaos.trainings import Trainings, check_ended_once, trained
from tests.workers.stations import events_of, outcomes, submit
from tests.workers.worker_processes import ended, in_training

MIB = 2**20
NEIGHBOUR = "digits, within an epoch"
WIDE = NewJob("binary-classification", {"hidden": [4096] * 5, "epochs": 1})
"""67 million weights with gradients and Adam's two moments: a gigabyte."""


def check_out_of_memory(view: JobView, attempts: int) -> None:
    assert outcomes(view) == ["oom"] * attempts
    assert (view.job.status, view.job.error_code) == (JobStatus.FAILED, "oom")


def test_a_job_beyond_its_limit_leaves_its_neighbour_alone(small: Stack) -> None:
    container = small.container
    limit = {"TORCHKILN_MEMORY_PER_JOB_BYTES": str(128 * MIB), "TORCHKILN_JOB_SLOTS": "2"}
    small.worker(*STUBS, **BRISK, **limit)
    neighbour = submit(container, "count", epochs=100_000)
    in_training(container, neighbour)
    check_out_of_memory(ended(container, submit(container, "hog", mib=512)), 3)
    container.job_control.cancel(neighbour)
    view = ended(container, neighbour)
    assert outcomes(view) == ["cancelled"]
    events_of(container, neighbour)


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_net_beyond_its_limit(stack: Stack, figures: Figures) -> None:
    """And its neighbour is, to the bit, what it would have been with nobody beside it."""
    container, trainings = stack.container, Trainings.real(stack.container)
    limit = {"TORCHKILN_MEMORY_PER_JOB_BYTES": str(512 * MIB), "TORCHKILN_JOB_SLOTS": "2"}
    stack.worker(*WORKER, **DEFAULTS, **limit)
    greedy = container.jobs.submit(WIDE)[0].job.id
    neighbours = [trained(container, _one_more(stack, trainings)) for _ in range(2)]
    check_out_of_memory(ended(container, greedy), 3)
    assert {one.weights for one in neighbours} == {trainings.left_alone(NEIGHBOUR).weights}
    figures.note("memory", attempts=3, outcome="oom", limit_mib=512, neighbours=len(neighbours))


def _one_more(stack: Stack, trainings: Trainings) -> JobView:
    view = ended(stack.container, trainings.submit(NEIGHBOUR))
    check_ended_once(view, "succeeded")
    return view
