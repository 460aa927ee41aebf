"""Trainer processes that no test leaves behind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from workers.messages import LAST_WORDS, Message, TrainSpec
from workers.process import Exit, TrainerProcess

TRAINER = (sys.executable, "-m", "tests.workers.trainer")
"""The command of a trainer with the pipelines of the tests."""

Spawn = Callable[..., TrainerProcess]


@pytest.fixture
def spawn() -> Generator[Spawn]:
    """Starts trainers; `spawn()` one with the pipelines of the tests."""
    started: list[TrainerProcess] = []

    def start(*command: str, **options: object) -> TrainerProcess:
        trainer = TrainerProcess(command or TRAINER, **options)  # type: ignore[arg-type]
        started.append(trainer)
        return trainer

    yield start
    for trainer in started:
        trainer.kill("test")
        assert trainer.wait(60)


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., TrainSpec]:
    """`spec("count", epochs=2)`."""

    def make(pipeline: str, *, resume: Path | None = None, **params: object) -> TrainSpec:
        workdir = tmp_path / "work"
        workdir.mkdir(exist_ok=True)
        return TrainSpec(
            job_id="job_1",
            attempt=1,
            request_id="req_1",
            pipeline=pipeline,
            params=params,
            seed=0,
            device="cpu",
            dataset=None,
            workdir=str(workdir),
            data_dir=str(tmp_path),
            resume=None if resume is None else str(resume),
        )

    return make


def told(trainer: TrainerProcess) -> tuple[list[Message], Exit]:
    """Everything that a trainer says until its end."""
    messages: list[Message] = []
    while True:
        message = trainer.next(120)
        assert message is not None, "the trainer has fallen silent"
        if isinstance(message, Exit):
            return messages, message
        messages.append(message)


def last_word(messages: list[Message]) -> Message:
    """The one that has to be there."""
    (last,) = [message for message in messages if message["type"] in LAST_WORDS]
    return last
