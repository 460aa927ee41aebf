"""A batch run by a model: put together, run as one, and parted again. No event loop here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import structlog

from models.backends.base import Runner, Tensors
from models.signature import DATATYPES
from services.errors import FieldError, Invalid
from services.serving.batching import Answer, Answered, Dtypes, Group, Outputs, Ran, Work
from services.serving.stats import clock_ns

log = structlog.get_logger(__name__)


def execute(runner: Runner, batch: Sequence[Work], rows: int) -> Ran | Answered:
    """What one run of the model makes of `batch`, which has so many rows. If the model fails on
    them together, an answer for each call, by one run for each: only those fail that fail alone."""
    if len(batch) == 1:
        return [(batch[0], alone(runner, batch[0]))]
    return _together(runner, batch, rows) or [(call, alone(runner, call)) for call in batch]


def _together(runner: Runner, batch: Sequence[Work], rows: int) -> Ran | None:
    started = clock_ns()
    group = _group(batch)
    try:
        outputs = runner.run(_merged(batch, group))
    except Exception:  # whatever a model's library raises for what it cannot compute
        return None
    if any(len(array) != rows for array in outputs.values()):
        return None
    return Ran(outputs, group, rows, started, clock_ns() - started)


def alone(runner: Runner, call: Work, *, at_once: bool = False) -> Answer:
    """The answer to one call, which is told how long it took.

    `at_once`: whether the answer is sent before anything else is run.
    """
    group = call.group
    started = clock_ns()
    try:
        if at_once and group is not None:
            outputs = group.run_one(runner, call)
        else:
            outputs = runner.run(_merged((call,), group))
    except Exception as error:
        return _failure(error, call)
    call.queue_ns = started - call.asked_ns
    call.infer_ns = clock_ns() - started
    return outputs


def parted(batch: Sequence[Work], ran: Ran) -> Answered:
    """An answer for each call, which is told how long it took."""
    for call in batch:
        call.queue_ns = ran.started - call.asked_ns
        call.infer_ns = ran.spent_ns
    return list(zip(batch, _slices(ran.outputs, batch), strict=True))


def deliver(answered: Answered) -> None:
    for call, answer in answered:
        try:
            call.answered(answer)
        except Exception:  # of one client's connection; the others are owed their answers
            log.exception("answer_not_delivered")


def _group(batch: Sequence[Work]) -> Group | None:
    """The group that all of the batch are of."""
    group = batch[0].group
    for call in batch:
        if call.group is not group:
            return None
    return group


def _merged(batch: Sequence[Work], group: Group | None) -> Tensors:
    """The inputs of all calls, one behind the other, as the model takes them."""
    if group is not None:
        return group.merged(batch)
    return _joined([call.inputs for call in batch], batch[0].dtypes)


def _joined(inputs: Sequence[Tensors], dtypes: Dtypes | None) -> Tensors:
    first = inputs[0]
    if dtypes is None:
        return {name: np.concatenate([one[name] for one in inputs]) for name in first}
    if len(inputs) == 1 and all(array.dtype is dtypes[name] for name, array in first.items()):
        return first
    with np.errstate(over="raise"):
        return {
            name: np.concatenate(
                [one[name] for one in inputs], dtype=dtypes[name], casting="same_kind"
            )
            for name in first
        }


def _too_large(call: Work) -> Invalid | None:
    """Of a call with a number that the model's datatype cannot hold."""
    for name, array in call.inputs.items():
        if not call.dtypes or array.dtype.kind != "f":
            continue
        # NaN and infinity are of every datatype, and neither may hide what is not.
        largest = np.max(np.abs(array[np.isfinite(array)]), initial=0.0)
        if largest > np.finfo(call.dtypes[name]).max:
            datatype = next(word for word, it in DATATYPES.items() if it == call.dtypes[name])
            message = f"expected {datatype} values, got {largest:g}"
            return Invalid(
                f"input {name!r}: {message}",
                code="invalid_input",
                errors=(FieldError(f"inputs.{name}", message),),
            )
    return None


def _slices(outputs: Outputs, batch: Sequence[Work]) -> Iterator[Outputs]:
    start = 0
    for call in batch:
        end = start + call.rows
        yield {name: array[start:end] for name, array in outputs.items()}
        start = end


def _failure(error: Exception, call: Work) -> Invalid:
    if isinstance(error, Invalid):
        return error
    if isinstance(error, FloatingPointError) and (named := _too_large(call)):
        return named
    log.warning("inference_failed", error=type(error).__name__, reason=str(error)[:300])
    failure = Invalid(
        "the model could not compute an answer to this input", code="inference_failed"
    )
    failure.__cause__ = error
    return failure
