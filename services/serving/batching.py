"""Batches out of calls: cut from a queue, run as one, and parted again. No event loop here."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from models.backends.base import Runner, Tensors
from models.signature import DATATYPES
from services.errors import FieldError, Invalid
from services.serving.stats import Timing

MAX_ASIDE = 256
"""Calls of other shapes that a batch looks past for more of its own; bounds the search."""

log = structlog.get_logger(__name__)

Outputs = dict[str, NDArray[Any]]
Answer = Outputs | Exception
Dtypes = Mapping[str, np.dtype[Any]]


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
        "inputs",
        "pieces",
        "rows",
        "timer",
    )

    def __init__(
        self,
        inputs: Tensors,
        rows: int,
        effort: int,
        dtypes: Dtypes | None,
        deadline: float | None,
    ) -> None:
        """`effort`: rows that would take as long, where rows differ; `dtypes`: what the model
        takes, where `inputs` may be wider; `deadline`: on the event loop's clock."""
        self.inputs = inputs
        self.rows = rows
        self.effort = effort
        self.dtypes = dtypes
        self.deadline = deadline
        self.input_ns = self.queue_ns = self.infer_ns = 0
        self.begun = False
        """Whether it is no longer in the queue."""
        self.pieces: Pieces | None = None
        self.timer: TimerHandle | None = None

    @abstractmethod
    def answered(self, answer: Answer) -> None:
        """Called once, in the event loop, with the outputs for just these rows, or with what went
        wrong."""


class Call(Work):
    """Work whose answer goes to a function."""

    __slots__ = ("_answered", "_timing")

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
        super().__init__(inputs, rows, rows if effort is None else effort, dtypes, deadline)
        self._timing = timing
        self._answered = answered

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
    batch, rows = [first], first.rows
    if not queue:
        return batch
    like_first = _same_shapes(first)
    aside: list[Work] = []
    while queue and rows + queue[0].rows <= max_rows and len(aside) < MAX_ASIDE:
        call = queue.popleft()
        if like_first(call):
            batch.append(call)
            rows += call.rows
        else:
            aside.append(call)
    queue.extendleft(reversed(aside))
    return batch


def _same_shapes(first: Work) -> Callable[[Work], bool]:
    """Whether a call's rows have the shapes of those of `first`."""
    name, *others = first.inputs
    shape = first.inputs[name].shape[1:]
    if not others:  # as most models
        return lambda call: call.inputs[name].shape[1:] == shape
    shapes = {name: array.shape[1:] for name, array in first.inputs.items()}
    return lambda call: {n: array.shape[1:] for n, array in call.inputs.items()} == shapes


def execute(runner: Runner, batch: Sequence[Work]) -> list[Answer]:
    """An answer for each call of `batch`, by one run of the model; by one run for each call if
    the model fails on them together, so that only those fail that fail alone."""
    started = time.perf_counter_ns()
    try:
        outputs = runner.run(_merged(batch))
        answers = _parted(outputs, batch)
    except Exception as error:  # whatever a model's library raises for what it cannot compute
        if len(batch) > 1:
            return [answer for call in batch for answer in execute(runner, [call])]
        return [_failure(error)]
    spent = time.perf_counter_ns() - started
    for call in batch:
        call.queue_ns = started - call.asked_ns
        call.infer_ns = spent
    return answers


def _merged(batch: Sequence[Work]) -> Tensors:
    """The inputs of all calls, one behind the other, as the model takes them."""
    first = batch[0]
    if first.dtypes is None:
        return _joined(batch, {})
    if len(batch) == 1 and all(a.dtype is first.dtypes[n] for n, a in first.inputs.items()):
        return first.inputs
    try:
        with np.errstate(over="raise"):
            return _joined(batch, first.dtypes)
    except FloatingPointError:
        raise _too_large(first) from None


def _joined(batch: Sequence[Work], dtypes: Dtypes) -> Tensors:
    return {
        name: np.concatenate(
            [call.inputs[name] for call in batch], dtype=dtypes.get(name), casting="same_kind"
        )
        for name in batch[0].inputs
    }


def _too_large(call: Work) -> Invalid:
    """Of a call with a number that the model's datatype cannot hold."""
    for name, array in call.inputs.items():
        largest = np.max(np.abs(array), initial=0.0) if array.dtype.kind == "f" else 0.0
        if call.dtypes and array.dtype.kind == "f" and largest > np.finfo(call.dtypes[name]).max:
            datatype = next(word for word, it in DATATYPES.items() if it == call.dtypes[name])
            message = f"expected {datatype} values, got {largest:g}"
            return Invalid(
                f"input {name!r}: {message}",
                code="invalid_input",
                errors=(FieldError(f"inputs.{name}", message),),
            )
    return _failure(FloatingPointError("overflow"))


def _parted(outputs: Outputs, batch: Sequence[Work]) -> list[Answer]:
    if len(batch) == 1:
        return [outputs]
    rows = sum(call.rows for call in batch)
    if any(len(array) != rows for array in outputs.values()):
        raise ValueError("the model's outputs have another number of rows than its inputs")
    return list(_slices(outputs, batch))


def _slices(outputs: Outputs, batch: Sequence[Work]) -> Iterator[Outputs]:
    start = 0
    for call in batch:
        end = start + call.rows
        yield {name: array[start:end] for name, array in outputs.items()}
        start = end


def _failure(error: Exception) -> Invalid:
    if isinstance(error, Invalid):
        return error
    log.warning("inference_failed", error=type(error).__name__, reason=str(error)[:300])
    failure = Invalid(
        "the model could not compute an answer to this input", code="inference_failed"
    )
    failure.__cause__ = error
    return failure
