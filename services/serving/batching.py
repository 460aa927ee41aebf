"""Batches out of calls: what is queued, and what is cut from the queue. No event loop here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.backends.base import Runner, Tensors
from services.serving.stats import Timing

MAX_ASIDE = 256
"""Calls of other shapes that a batch looks past for more of its own; bounds the search."""

Outputs = dict[str, NDArray[Any]]
Answer = Outputs | Exception
Dtypes = Mapping[str, np.dtype[Any]]
Shapes = dict[str, tuple[int, ...]]


class Group(ABC):
    """What works have in common that are alike in all but their values. A batch of nothing else is
    put together, and answered, as a whole: most of what that costs does not depend on how many."""

    __slots__ = ()

    @abstractmethod
    def merged(self, batch: Sequence[Any]) -> Tensors:
        """The inputs of all of its works, one behind the other, as the model takes them."""

    @abstractmethod
    def run_one(self, runner: Runner, one: Any) -> Outputs:
        """What the model makes of one of its works, which runs by itself; good until the next time,
        and not for two threads at once."""

    @abstractmethod
    def answer(self, batch: Sequence[Any], ran: Ran) -> bool:
        """Answer all, or say False and answer none: then each has to be looked at by itself."""


class Ran(NamedTuple):
    """What a run of the model made of a batch."""

    outputs: Outputs
    group: Group | None
    """Whose answers they are as a whole; None where each has its own."""
    rows: int
    started: int
    spent_ns: int


class Work(Timing, ABC):
    """The rows of one request on their way through a runner.

    It holds nothing that holds it: a circle would be left to the garbage collector, thousands of
    times a second.
    """

    __slots__ = (
        "asked_ns",
        "begun",
        "deadline",
        "dtypes",
        "effort",
        "group",
        "pieces",
        "rows",
        "timer",
    )

    def __init__(
        self,
        rows: int,
        effort: int,
        dtypes: Dtypes | None,
        deadline: float | None,
        group: Group | None = None,
    ) -> None:
        """`effort`: rows that would take as long, where rows differ; `dtypes`: what the model
        takes, where the inputs may be wider; `deadline`: on the event loop's clock."""
        self.group = group
        self.rows = rows
        self.effort = effort
        self.dtypes = dtypes
        self.deadline = deadline
        self.begun = False
        """Whether it is no longer in the queue."""
        self.pieces: Pieces | None = None
        self.timer: TimerHandle | None = None

    @property
    @abstractmethod
    def inputs(self) -> Tensors:
        """Always the same."""

    @abstractmethod
    def answered(self, answer: Answer) -> None:
        """Called once, in the event loop, with the outputs for just these rows, or with what went
        wrong."""


Answered = list[tuple[Work, Answer]]
"""Each with its own."""


class Call(Work):
    """Work whose answer goes to a function."""

    __slots__ = ("_answered", "_inputs", "_timing")

    def __init__(
        self,
        inputs: Tensors,
        rows: int,
        timing: Timing,
        answered: Callable[[Answer], None],
        *,
        effort: int | None = None,
        dtypes: Dtypes | None = None,
        deadline: float | None = None,
    ) -> None:
        """`timing` is told how long it waited and ran; the others are those of `Work`."""
        super().__init__(rows, rows if effort is None else effort, dtypes, deadline)
        self.queue_ns = self.infer_ns = 0
        self._inputs = inputs
        self._timing = timing
        self._answered = answered

    @property
    def inputs(self) -> Tensors:
        return self._inputs

    def answered(self, answer: Answer) -> None:
        self._timing.queue_ns = self.queue_ns
        self._timing.infer_ns = self.infer_ns
        self._answered(answer)


class Pieces:
    """A call with more rows than a batch may have: cut into calls, answered when all are."""

    def __init__(self, whole: Work, max_rows: int) -> None:
        self.ended = False
        self._whole = whole
        self._answers: dict[int, Outputs] = {}
        self.calls = [
            self._piece(place, start, max_rows)
            for place, start in enumerate(range(0, whole.rows, max_rows))
        ]

    def _piece(self, place: int, start: int, max_rows: int) -> Call:
        whole = self._whole
        rows = min(max_rows, whole.rows - start)
        return Call(
            {name: array[start : start + rows] for name, array in whole.inputs.items()},
            rows,
            Timing(),
            lambda answer: self._take(place, answer),
            effort=-(-whole.effort * rows // whole.rows),
            dtypes=whole.dtypes,
        )

    def _take(self, place: int, answer: Answer) -> None:
        if self.ended:
            return
        if isinstance(answer, Exception):
            self._end(answer)
            return
        self._answers[place] = answer
        if len(self._answers) == len(self.calls):
            parts = [self._answers[place] for place in range(len(self.calls))]
            self._end({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    def _end(self, answer: Answer) -> None:
        self.ended = True
        self._whole.queue_ns = self.calls[0].queue_ns
        self._whole.infer_ns = sum(call.infer_ns for call in self.calls)
        if self._whole.timer is not None:
            self._whole.timer.cancel()
        self._whole.answered(answer)


def cut(queue: deque[Work], max_rows: int) -> list[Work]:
    """Take the next batch off `queue`, which is not empty: the first call, and those behind it that
    fit beside it. Calls of other shapes keep their places at the head of the queue."""
    first = queue.popleft()
    batch, rows, group = [first], first.rows, first.group
    if not queue:
        return batch
    aside: list[Work] = []
    shapes: Shapes | None = None
    while queue and rows + queue[0].rows <= max_rows and len(aside) < MAX_ASIDE:
        call = queue.popleft()
        if call.group is not group or group is None:  # else it is like the first, unseen
            shapes = shapes or _shapes(first)
            if _shapes(call) != shapes:
                aside.append(call)
                continue
        batch.append(call)
        rows += call.rows
    queue.extendleft(reversed(aside))
    return batch


def _shapes(call: Work) -> Shapes:
    """Of its rows."""
    return {name: array.shape[1:] for name, array in call.inputs.items()}
