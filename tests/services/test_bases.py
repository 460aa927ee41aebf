"""The version that a job starts from, over both databases."""

from __future__ import annotations

import pytest

from models.errors import BaseUnavailable
from services.container import Container
from services.errors import Invalid
from services.job_request import NewJob
from tests.services import factories

MODEL = "teacher"


def submit(container: Container, base: str | None) -> str | None:
    """→ the base of the job as it is written down."""
    new = NewJob("transfer-learning", {} if base is None else {"base": base})
    return container.jobs.submit(new)[0].job.params["base"]


def test_an_alias_is_pinned_when_the_job_is_submitted(container: Container) -> None:
    for _ in range(2):
        factories.published(container, model=MODEL)
    assert submit(container, f"{MODEL}@champion") == f"{MODEL}@1"
    container.registry.set_alias(MODEL, "champion", 2)
    assert submit(container, f"{MODEL}@champion") == f"{MODEL}@2"
    assert submit(container, f"{MODEL}@1") == f"{MODEL}@1"
    for no_version in ("resnet18", None):
        assert submit(container, no_version) == no_version


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("nothing@1", "got 'nothing@1': there is no model nothing"),
        (f"{MODEL}@9", f"got '{MODEL}@9': the model {MODEL} has no version 9"),
        (f"{MODEL}@canary", "has no version canary"),
        (MODEL, f"got '{MODEL}'"),
        (f"{MODEL}@1/../2", "expected text to match"),
        ("resnet19", "expected text to match"),
    ],
)
def test_a_base_that_does_not_exist_is_refused(
    container: Container, base: str, message: str
) -> None:
    factories.published(container, model=MODEL)
    with pytest.raises(Invalid) as caught:
        submit(container, base)
    assert caught.value.code == "invalid_params"
    (error,) = caught.value.errors
    assert error.field == "params.base"
    assert message in error.message


def test_a_workers_directory_is_the_versions_until_it_is_deleted(container: Container) -> None:
    factories.published(container, model=MODEL)
    params = {"base": f"{MODEL}@1"}
    directory = container.bases.directory("transfer-learning", params)
    assert directory is not None
    assert (directory / "signature.json").is_file()
    for pipeline, other in (
        ("transfer-learning", {"base": "resnet18"}),
        ("transfer-learning", {"base": None}),
        ("binary-classification", params),
        ("no pipeline", params),
    ):
        assert container.bases.directory(pipeline, other) is None
    container.registry.delete_alias(MODEL, "champion")
    container.registry.delete_version(MODEL, "1")
    with pytest.raises(BaseUnavailable, match=f"the model {MODEL} has no version 1"):
        container.bases.directory("transfer-learning", params)
