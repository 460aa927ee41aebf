"""What has happened in a job: as a list, or live."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.sse import EventSourceResponse
from starlette.responses import Response

from api import sse
from api.openapi import content, errors
from api.schemas.common import ListOf, listed
from api.schemas.jobs import EventOut
from api.state import DEFAULT_LIMIT, AppState, Id, Limit

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

Seq = Annotated[int, Query(ge=0, le=2**31 - 1, description="Only events behind this one")]
LastSeq = Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=2**31 - 1)]


@router.get(
    "/{job_id}/events",
    response_model=ListOf[EventOut],
    responses={200: content("text/event-stream", description="A page, or a live stream")}
    | errors(404),
)
async def job_events(
    job_id: Id,
    state: AppState,
    after: Seq = 0,
    limit: Limit = DEFAULT_LIMIT,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    last_event_id: LastSeq = None,
) -> Response | ListOf[EventOut]:
    """Oldest first. With `Accept: text/event-stream` a stream that ends with the job.

    A stream begins behind `Last-Event-ID`, which browsers send by themselves when they come back,
    or else behind `after`.
    """
    events = state.container.events
    if "text/event-stream" not in accept.lower():
        return listed(
            await asyncio.to_thread(events.list, job_id, after=after, limit=limit), EventOut.show
        )
    start = after if last_event_id is None else last_event_id
    await asyncio.to_thread(events.since, job_id, start, limit=1)  # 404 has to come before the 200
    return EventSourceResponse(
        sse.stream(events, job_id, start, state.closing),
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )
