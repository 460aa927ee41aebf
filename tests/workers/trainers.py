"""Trainer processes of the tests."""

from __future__ import annotations

import sys
from collections.abc import Callable

from workers.messages import LAST_WORDS, Message, TrainSpec
from workers.process import Exit, TrainerProcess

TRAINER = (sys.executable, "-m", "tests.workers.trainer")
"""The command of a trainer with the pipelines of the tests."""

Spawn = Callable[..., TrainerProcess]
"""What the fixture `spawn` is."""
MakeSpec = Callable[..., TrainSpec]
"""What the fixture `spec` is."""


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
