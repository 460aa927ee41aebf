"""What can go wrong in a use case. Nothing here knows HTTP: `api/errors.py` maps it to a status.

ServiceError
├── NotFound            nothing by that name or id
├── Invalid             the request is not what the field takes; carries the fields at fault
├── Conflict            right in itself, but not in the present state
├── NotAllowed          no key, or a key without the scope
├── TooLarge            more bytes or rows than the limit
├── Busy                the service could do it later; carries how many seconds later
└── Unavailable         a part that the service stands on does not answer
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One field at fault: a dotted path, and a message with the expected and the got."""

    field: str
    message: str


class ServiceError(Exception):
    """`code` is the stable word of the contract, `detail` a sentence for a person."""

    code = "internal"

    def __init__(
        self, detail: str, *, code: str | None = None, errors: tuple[FieldError, ...] = ()
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.errors = errors


class NotFound(ServiceError):
    code = "not_found"


class Invalid(ServiceError):
    code = "invalid_request"


class Conflict(ServiceError):
    code = "conflict"


class NotAllowed(ServiceError):
    code = "forbidden"


class Unauthorized(NotAllowed):
    code = "unauthorized"


class TooLarge(ServiceError):
    code = "payload_too_large"


class Busy(ServiceError):
    code = "overloaded"

    def __init__(self, detail: str, *, code: str | None = None, retry_after_s: float = 1.0) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(ServiceError):
    code = "unavailable"
