"""What every resource uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, PlainSerializer

from services.errors import FieldError, Invalid
from services.paging import DEFAULT_LIMIT, Page

T = TypeVar("T")
Row = TypeVar("Row")


class RequestModel(BaseModel):
    """Base of everything that clients send: no unknown fields, no "5" for 5, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class ResponseModel(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


def _utc(value: datetime) -> str:
    return value.isoformat(timespec="microseconds").replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(_utc, return_type=str, when_used="json")]
"""RFC 3339 in UTC, ending in Z, always with microseconds so that they sort as text."""


class ListOf(ResponseModel, Generic[T]):
    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool


class FieldProblem(ResponseModel):
    field: str
    message: str


class Problem(ResponseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem]


class V2Error(ResponseModel):
    """The Open Inference Protocol's error."""

    error: str


def listed(page: Page[Row], show: Callable[[Row], T]) -> ListOf[T]:
    return ListOf(data=[show(row) for row in page.data], has_more=page.has_more)


def cut(
    rows: Sequence[Row],
    key: Callable[[Row], str],
    *,
    limit: int = DEFAULT_LIMIT,
    after: str | None = None,
) -> Page[Row]:
    """A page of a list that a service gives whole. Raises `Invalid` for an unknown `after`."""
    start = 0
    if after is not None:
        start = next((at for at, row in enumerate(rows, 1) if key(row) == after), 0)
        if not start:
            raise Invalid(
                "there is no such page",
                errors=(FieldError("after", f"expected an item of the list, got {after!r}"),),
            )
    return Page.cut(rows[start : start + limit + 1], limit)
