"""What can go wrong when talking to a service, or when running one.

TorchkilnError
├── Unreachable         nobody answers at the address, or the answer broke off
├── Refused             the service answered, and said no; carries the problem's fields
│   ├── NotAllowed      401, 403: no key, or a key without the scope
│   ├── NotFound        404
│   ├── Conflict        409: right in itself, but not in the present state
│   ├── Invalid         any other 4xx; `errors` names the fields at fault
│   ├── Overloaded      429, 503: later, after `retry_after_s`
│   └── ServerFault     any other 5xx, or an answer that is not the contract's
├── Damaged             a downloaded file is not the one that was announced
├── TimedOut            what was waited for has not happened in time
└── CannotRun           `torchkiln up` and its like cannot start, or had to stop
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class TorchkilnError(Exception):
    """Base of everything that torchkiln raises by itself. Its text is meant for people."""


class Unreachable(TorchkilnError):
    """Nobody answers at the address, or the answer broke off."""


class Damaged(TorchkilnError):
    """A downloaded file's SHA-256 is not the one that the service announced."""


class TimedOut(TorchkilnError):
    """What was waited for has not happened in time."""


class CannotRun(TorchkilnError):
    """A local process cannot be started, or stopped working.

    `said` are its last words, the end of the file `log`.
    """

    def __init__(self, message: str, *, log: Path | None = None, said: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.log = log
        self.said = said


@dataclass(frozen=True)
class FieldProblem:
    """One field at fault: a dotted path, and what was expected of it and what came."""

    field: str
    message: str


@dataclass(frozen=True)
class Problem:
    """The fields of an `application/problem+json` answer (RFC 9457), or their best likeness."""

    status: int
    code: str
    title: str
    detail: str
    errors: tuple[FieldProblem, ...] = ()
    retry_after_s: float | None = None
    request_id: str | None = None


class Refused(TorchkilnError):
    """The service answered with an error status."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem

    @property
    def status(self) -> int:
        return self.problem.status

    @property
    def code(self) -> str:
        """The contract's stable word, such as `unknown_pipeline`."""
        return self.problem.code

    @property
    def errors(self) -> tuple[FieldProblem, ...]:
        return self.problem.errors


class NotAllowed(Refused):
    pass


class NotFound(Refused):
    pass


class Conflict(Refused):
    pass


class Invalid(Refused):
    pass


class Overloaded(Refused):
    @property
    def retry_after_s(self) -> float:
        """How long the service asks to be left alone."""
        return self.problem.retry_after_s or 1.0


class ServerFault(Refused):
    pass


BY_STATUS: dict[int, type[Refused]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    429: Overloaded,
    503: Overloaded,
}


def refusal(problem: Problem) -> Refused:
    """The exception that fits a problem's status."""
    fallback = Invalid if 400 <= problem.status < 500 else ServerFault
    return BY_STATUS.get(problem.status, fallback)(problem)
