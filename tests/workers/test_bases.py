"""The version that a job starts from, on its way to the trainer."""

from __future__ import annotations

import pytest

from services.container import Container
from services.job_request import NewJob
from services.job_state import JobStatus
from tests.support.published import add_version
from tests.workers.stations import outcomes, station
from tests.workers.trainers import TRAINER
from workers.process import COMMAND
from workers.supervisor import JobSupervisor


@pytest.mark.parametrize("deleted", [False, True])
def test_the_trainer_is_given_its_files_or_the_job_says_that_they_are_gone(
    local_container: Container, *, deleted: bool
) -> None:
    add_version(local_container, "image", name="small")
    new = NewJob("transfer-learning", {"base": "small@champion"}, device="cpu")
    job_id = local_container.jobs.submit(new)[0].job.id
    if deleted:
        local_container.registry.delete_alias("small", "champion")
        local_container.registry.delete_version("small", "1")
    with station(local_container, trainer=TRAINER if deleted else COMMAND) as made:
        JobSupervisor(made).run(job_id)
    view = local_container.jobs.get(job_id)
    assert (view.job.status, outcomes(view)) == (JobStatus.FAILED, ["error"])
    if deleted:
        assert view.job.error_code == "base_unavailable"
        assert "the model small has no version 1" in (view.job.error_message or "")
    else:  # its pictures are smaller than the dataset's: the trainer has looked into its files
        assert view.job.error_code == "invalid_data"
        assert "got small@1 for [1, 8, 8]" in (view.job.error_message or "")
