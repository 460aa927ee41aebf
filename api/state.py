"""What the routes work with: put on the application once, handed to each route by its type."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from prometheus_client import CollectorRegistry

from api.auth import Authenticator
from api.http_stats import HttpStats
from api.siblings import Siblings
from services.container import Container
from services.inspector import Inspector
from services.introspection import Introspection
from services.paging import DEFAULT_LIMIT, MAX_LIMIT
from services.serving.engine import Engine


@dataclass(frozen=True)
class State:
    container: Container
    engine: Engine
    inspector: Inspector
    introspection: Introspection
    authenticator: Authenticator
    http_stats: HttpStats
    siblings: Siblings
    metrics: CollectorRegistry
    max_body_bytes: int
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is asked to stop, so that streams without end do end."""


def state_of(request: Request) -> State:
    return request.app.state.kiln


def _container(request: Request) -> Container:
    return state_of(request).container


def _engine(request: Request) -> Engine:
    return state_of(request).engine


AppState = Annotated[State, Depends(state_of)]
Services = Annotated[Container, Depends(_container)]
Serving = Annotated[Engine, Depends(_engine)]

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items on a page")]
After = Annotated[
    str | None, Query(max_length=128, description="Id of the last item of the page before")
]
Id = Annotated[str, Path(max_length=128)]
Name = Annotated[str, Path(max_length=64)]

__all__ = ["DEFAULT_LIMIT", "After", "AppState", "Id", "Limit", "Name", "Services", "Serving"]
