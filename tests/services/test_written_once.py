"""A write whose commit was not answered is tried again, and is there once all the same."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from services.attempt_files import NewArtifact
from services.attempts import Report
from services.claims import Claim
from services.container import Container
from services.errors import Unavailable
from services.events import NewEvent
from tests.services import factories

Write = Callable[[Container, Claim, Path], Callable[[], object]]


def report(container: Container, claim: Claim, _: Path) -> Callable[[], object]:
    told = Report([NewEvent("log", "one"), NewEvent("metrics", "two")], metrics={"loss": 1.0})
    return lambda: container.attempts.record(claim, told)


def checkpoint(container: Container, claim: Claim, tmp_path: Path) -> Callable[[], object]:
    new = factories.checkpoint(tmp_path, step=3)
    return lambda: container.attempt_files.add_checkpoint(claim, new)


def artifact(container: Container, claim: Claim, tmp_path: Path) -> Callable[[], object]:
    path = tmp_path / "loss.png"
    path.write_bytes(b"picture")
    new = NewArtifact(path, "loss.png", "Loss", "image/png", 7, "1" * 64)
    return lambda: container.attempt_files.add_artifact(claim, new)


@pytest.mark.parametrize("made", [report, checkpoint, artifact])
def test_a_commit_without_an_answer_is_not_repeated(
    made: Write, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = factories.running(container)
    write, original = made(container, claim, tmp_path), container.db.write

    @contextmanager
    def unanswered() -> Generator[Session]:
        with original() as session:
            yield session
        raise Unavailable("the connection broke after the commit")

    monkeypatch.setattr(container.db, "write", unanswered)
    with pytest.raises(Unavailable):
        write()
    monkeypatch.undo()
    before = container.events.list(claim.job.id).data
    assert write()
    assert [(e.seq, e.message) for e in container.events.list(claim.job.id).data] == [
        (e.seq, e.message) for e in before
    ]
    assert len(container.jobs.checkpoints(claim.job.id)) <= 1


def test_the_same_news_told_again_is_news(container: Container) -> None:
    claim = factories.running(container)
    for _ in range(2):
        assert container.attempts.record(claim, Report([NewEvent("log", "again")]))
    assert [e.message for e in container.events.list(claim.job.id).data][-2:] == ["again"] * 2
