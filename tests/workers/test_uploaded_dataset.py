"""A job whose upload is no longer there when its turn comes."""

from __future__ import annotations

from sqlalchemy import update

from services.container import Container
from services.db.tables import Job
from services.job_state import JobStatus
from tests.workers.stations import events_of, station, submit
from workers.supervisor import JobSupervisor


def test_a_job_whose_dataset_was_deleted_fails_and_says_so(local_container: Container) -> None:
    job_id = submit(local_container, "count")
    with local_container.db.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(dataset="ds_deleted"))
    with station(local_container) as here:
        JobSupervisor(here).run(job_id)
    view = local_container.jobs.get(job_id)
    assert (view.job.status, view.job.error_code) == (JobStatus.FAILED, "dataset_unavailable")
    assert "ds_deleted was deleted" in (view.job.error_message or "")
    assert len(view.attempts) == 1
    assert events_of(local_container, job_id)[-1].data["status"] == "failed"
