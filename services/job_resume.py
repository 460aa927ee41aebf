"""From where, and with which params, a job goes on when its owner resumes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from services.bases import pinned
from services.catalogue import Catalogue
from services.db.tables import Checkpoint, Job
from services.errors import FieldError, Invalid, NotFound
from services.field_errors import brief
from services.job_request import nested_too_deep

CHANGEABLE = frozenset({"epochs", "checkpoint_every", "checkpoint_unit", "variants"})
"""Params that no checkpoint depends on: how far it goes, what is saved on the way and published."""


@dataclass(frozen=True)
class Resume:
    """What is to be otherwise from now on; nothing, and the job goes on as it was."""

    checkpoint: str | None = None
    """Id of the one to go on from; None: the latest."""
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    """Only what changes."""

    def __post_init__(self) -> None:
        """Raises `Invalid` for what is nested so deep that nothing else may look at it."""
        if found := nested_too_deep(params=self.params):
            raise Invalid("the job cannot go on like this", errors=found)

    def changes(self) -> dict[str, Any]:
        """As the event of the job tells them."""
        chosen = {} if self.checkpoint is None else {"checkpoint": self.checkpoint}
        return {**chosen, **({"params": self.params} if self.params else {})}


def starting_point(session: Session, job: Job, checkpoint_id: str | None) -> Checkpoint | None:
    """The checkpoint of that id, or the latest that the job has not left behind; None where it has
    none. Raises `NotFound` (`checkpoint_not_found`)."""
    if checkpoint_id is None:
        return session.scalars(
            select(Checkpoint)
            .where(Checkpoint.job_id == job.id, Checkpoint.abandoned.is_(False))
            .order_by(Checkpoint.step.desc(), Checkpoint.created_at.desc())
            .limit(1)
        ).one_or_none()
    return checkpoint_of(session, job.id, checkpoint_id)


def checkpoint_of(session: Session, job_id: str, checkpoint_id: str) -> Checkpoint:
    row = session.get(Checkpoint, checkpoint_id)
    if row is None or row.job_id != job_id:
        raise NotFound(f"the job has no checkpoint {checkpoint_id}", code="checkpoint_not_found")
    return row


def go_back_to(session: Session, start: Checkpoint) -> None:
    """Have the next attempt go on from `start`, although there may be later ones."""
    session.execute(
        update(Checkpoint)
        .where(
            Checkpoint.job_id == start.job_id,
            Checkpoint.step >= start.step,
            Checkpoint.id != start.id,
        )
        .values(abandoned=True, best=False)
    )
    start.abandoned = False


def new_params(
    session: Session,
    catalogue: Catalogue,
    job: Job,
    changes: Mapping[str, Any],
    start: Checkpoint | None,
) -> dict[str, Any]:
    """The job's params with `changes`. Raises `Invalid` (`invalid_params`), each field named."""
    params = _changed(session, catalogue, job, changes) if changes else job.params
    epochs: object = params.get("epochs")
    if start is not None and isinstance(epochs, int) and epochs < start.epoch:
        message = f"expected at least {start.epoch}, as the checkpoint has them, got {epochs}"
        raise _invalid(job, FieldError("params.epochs", message))
    return params


def _changed(
    session: Session, catalogue: Catalogue, job: Job, changes: Mapping[str, Any]
) -> dict[str, Any]:
    pipeline = catalogue.get(job.pipeline)
    before = catalogue.resolve_params(pipeline, job.params)
    after = catalogue.resolve_params(pipeline, _merged(job.params, changes))
    if session.scalar(select(exists().where(Checkpoint.job_id == job.id))):
        wrong = [
            FieldError(f"params.{path}", _as_before(old, new))
            for path, old, new in _differences(before, after)
            if path not in CHANGEABLE
        ]
        if wrong:
            raise _invalid(job, *wrong)
    elif pipeline.base_param is not None and before != after:
        return pinned(session, pipeline, after)
    return after


def _merged(params: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`optimizer.lr` alone may change: what is beside it stays."""
    return {**params, **{name: _over(params.get(name), new) for name, new in changes.items()}}


def _over(old: object, new: object) -> object:
    if isinstance(old, dict) and isinstance(new, dict):
        return _merged(cast(dict[str, Any], old), cast(dict[str, Any], new))
    return new


def _differences(
    before: Mapping[str, Any], after: Mapping[str, Any], within: str = ""
) -> Iterator[tuple[str, object, object]]:
    """Dotted path, value before and value after, of each that differs."""
    for name, new in after.items():
        old: object = before.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            inner = cast(dict[str, Any], old), cast(dict[str, Any], new)
            yield from _differences(*inner, f"{within}{name}.")
        elif old != new:
            yield f"{within}{name}", old, new


def _as_before(old: object, new: object) -> str:
    return f"expected {brief(old)}, as the checkpoint was made with, got {brief(new)}"


def _invalid(job: Job, *found: FieldError) -> Invalid:
    return Invalid(
        f"job {job.id} cannot go on with these params", code="invalid_params", errors=found
    )
