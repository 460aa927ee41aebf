from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.container import Container
from services.errors import Conflict, Invalid, NotFound
from services.job_request import NewJob
from services.job_state import TERMINAL, TRANSITIONS, JobStatus, sources
from services.jobs import Jobs
from services.webhook_settings import WebhookSettings
from tests.services import factories
from tests.services.conftest import RecordingQueue

DIGEST = "8b56679ed45f9e99222695f54e6932bb2a42c891ccb40c9c1704c1284df17954"
"""Of a request for nothing but this pipeline, as it was before there was `stop` or `webhook`."""


def test_a_submitted_job_is_queued_with_its_defaults_and_its_worker_is_woken(
    container: Container, queue: RecordingQueue
) -> None:
    view, created = container.jobs.submit(NewJob("binary-classification", {"epochs": 3}))
    assert created
    assert view.job.status == "queued"
    assert view.job.params["epochs"] == 3
    assert view.job.params["optimizer"]["name"] == "adam"
    assert view.job.model == "binary-classification"
    assert [status for status, _ in view.transitions] == ["queued"]
    assert queue.woken == [view.job.id]


def nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"device": "tpu"}, "device"),
        ({"device": "cuda:x"}, "device"),
        ({"world_size": 0}, "world_size"),
        ({"world_size": 65}, "world_size"),
        ({"world_size": 2, "pipeline": "diagnostics"}, "world_size"),
        ({"hosts": 0}, "hosts"),
        ({"hosts": 2}, "hosts"),
        ({"world_size": 4, "hosts": 3}, "hosts"),
        ({"min_world_size": 0}, "min_world_size"),
        ({"min_world_size": 2}, "min_world_size"),
        ({"world_size": 4, "hosts": 2, "min_world_size": 1}, "min_world_size"),
        ({"world_size": 4, "hosts": 2, "min_world_size": 3}, "min_world_size"),
        ({"world_size": 2, "device": "cuda:1"}, "device"),
        ({"priority": 10}, "priority"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"promote": "maybe"}, "promote"),
        ({"model": "../x"}, "model"),
        ({"metadata": {"x": "y" * 20_000}}, "metadata"),
        ({"metadata": nested(40)}, "metadata"),
        ({"params": nested(40)}, "params"),
        ({"metadata": nested(900)}, "metadata"),
        ({"stop": {"max_runtime_s": 0.0}}, "stop.max_runtime_s"),
        ({"stop": {"max_steps": 0}}, "stop.max_steps"),
        ({"stop": {"max_steps": 5}, "pipeline": "diagnostics"}, "stop.max_steps"),
        ({"webhook": "https://hooks.example.com/"}, "webhook"),
        ({"pipeline": "diagnostics", "model": "m"}, "model"),
        ({"dataset": "nothing"}, "dataset"),
        ({"dataset": "digits"}, "dataset"),
        ({"params": {"epochs": 0}}, "params.epochs"),
        ({"params": {"epochs": "3"}}, "params.epochs"),
        ({"params": {"epoch": 3}}, "params.epoch"),
        ({"params": {"optimizer": {"lr": -1.0}}}, "params.optimizer.lr"),
    ],
)
def test_a_job_with_a_bad_field_is_refused_and_leaves_nothing(
    container: Container, queue: RecordingQueue, fields: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        factories.submit(container, **fields)
    assert [error.field for error in caught.value.errors] == [field]
    assert container.jobs.list().data == []
    assert queue.woken == []


def test_an_unknown_pipeline_is_named_with_the_known_ones(container: Container) -> None:
    with pytest.raises(NotFound, match=r"'nope'; there are .*binary-classification") as caught:
        factories.submit(container, pipeline="nope")
    assert caught.value.code == "unknown_pipeline"


def test_the_same_idempotency_key_and_request_give_the_same_job(container: Container) -> None:
    new = NewJob("binary-classification")
    first, created = container.jobs.submit(new, idempotency_key="k")
    again, created_again = container.jobs.submit(new, idempotency_key="k")
    assert (created, created_again) == (True, False)
    assert first.job.id == again.job.id
    with pytest.raises(Conflict, match=first.job.id) as caught:
        container.jobs.submit(NewJob("binary-classification", seed=1), idempotency_key="k")
    assert caught.value.code == "idempotency_conflict"


def test_when_to_stop_and_whom_to_tell_are_part_of_the_request(
    container: Container,
) -> None:
    allowed = WebhookSettings(
        webhook_hosts=("hooks.example.com",), webhook_secret=SecretStr("s" * 24)
    )
    collaborators = container.db, container.queue, container.pipelines, container.datasets
    jobs = Jobs(*collaborators, allowed)
    plain = NewJob("binary-classification")
    assert replace(plain, stop={}, webhook=None).sha256() == plain.sha256() == DIGEST
    stop, url = {"max_runtime_s": 2.5, "max_steps": 7}, "https://hooks.example.com/jobs"
    view, _ = jobs.submit(replace(plain, stop=stop, webhook=url), idempotency_key="k")
    assert (view.job.stop, view.job.webhook) == (stop, url)
    for other in (plain, replace(plain, stop=stop), replace(plain, webhook=url)):
        with pytest.raises(Conflict, match=view.job.id):
            jobs.submit(other, idempotency_key="k")


def test_one_key_submitted_from_many_threads_makes_one_job(container: Container) -> None:
    start = threading.Barrier(6)
    ids: list[str] = []

    def submit() -> None:
        start.wait()
        ids.append(container.jobs.submit(NewJob("diagnostics"), idempotency_key="k")[0].job.id)

    threads = [threading.Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 6
    assert len(set(ids)) == 1


def test_jobs_are_listed_newest_first_in_pages_and_by_filter(container: Container) -> None:
    ids = [factories.submit(container, seed=seed) for seed in range(5)]
    factories.submit(container, pipeline="diagnostics")
    first = container.jobs.list(limit=3, pipeline="binary-classification")
    rest = container.jobs.list(
        limit=3, pipeline="binary-classification", after=first.data[-1].job.id
    )
    assert [view.job.id for view in [*first.data, *rest.data]] == ids[::-1]
    assert (first.has_more, rest.has_more) == (True, False)
    assert container.jobs.list(status="running").data == []
    assert len(container.jobs.list(model="binary-classification").data) == 5
    for bad in ({"after": "job_none"}, {"status": "lost"}):
        with pytest.raises(Invalid):
            container.jobs.list(**bad)  # type: ignore[arg-type]


def test_what_does_not_exist_is_not_found(container: Container) -> None:
    job_id = factories.submit(container)
    for look in (
        lambda: container.jobs.get("job_none"),
        lambda: container.job_control.cancel("job_none"),
        lambda: container.job_control.pause("job_none"),
        lambda: container.job_control.resume("job_none"),
        lambda: container.jobs.checkpoints("job_none"),
        lambda: container.jobs.checkpoint(job_id, "ckpt_none"),
        lambda: container.jobs.artifact(job_id, "none.png"),
        lambda: container.events.list("job_none"),
        lambda: container.events.since("job_none", 0),
    ):
        with pytest.raises(NotFound):
            look()


@given(st.lists(st.sampled_from(JobStatus), max_size=12))
def test_nothing_but_resume_leads_out_of_a_terminal_state(path: list[JobStatus]) -> None:
    status = JobStatus.QUEUED
    for target in path:
        if status in sources(target):
            if status in TERMINAL:
                assert target is JobStatus.QUEUED
                assert status is not JobStatus.SUCCEEDED
            status = target
    assert set(TRANSITIONS) == set(JobStatus)
