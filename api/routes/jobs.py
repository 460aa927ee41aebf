"""Training jobs: submit, look, pause and resume, stop."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from api.bodies import json_body, json_docs
from api.openapi import errors
from api.schemas.common import ListOf, listed
from api.schemas.job_requests import JobIn, ResumeIn
from api.schemas.jobs import JobOut
from api.state import DEFAULT_LIMIT, After, Id, Limit, Services
from services.job_state import JobStatus

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key and body give the same job, however often they are sent",
    ),
]


@router.post(
    "",
    status_code=202,
    responses={200: {"model": JobOut, "description": "Accepted before under this key"}}
    | errors(404, 409, 415),
    openapi_extra=json_docs(JobIn),
)
def submit_job(
    body: Annotated[JobIn, Depends(json_body(JobIn))],
    request: Request,
    response: Response,
    services: Services,
    key: IdempotencyKey = None,
) -> JobOut:
    """Accept a job. It is never lost from here on, whatever happens to broker or workers."""
    view, created = services.jobs.submit(
        body.to_service(), idempotency_key=key, request_id=request.state.request_id
    )
    response.status_code = 202 if created else 200
    response.headers["Location"] = f"/v1/jobs/{view.job.id}"
    return JobOut.show(view)


@router.get("")
def list_jobs(
    services: Services,
    status: Annotated[JobStatus | Literal[""] | None, Query()] = None,
    pipeline: Annotated[str | None, Query(max_length=64)] = None,
    model: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> ListOf[JobOut]:
    """Newest first. A filter that is left empty is none."""
    page = services.jobs.list(
        status=status or None,
        pipeline=pipeline or None,
        model=model or None,
        limit=limit,
        after=after,
    )
    return listed(page, JobOut.show)


@router.get("/{job_id}", responses=errors(404))
def get_job(job_id: Id, services: Services) -> JobOut:
    return JobOut.show(services.jobs.get(job_id))


@router.post("/{job_id}/pause", responses=errors(404, 409))
def pause_job(job_id: Id, services: Services) -> JobOut:
    """Save a checkpoint and stop until `resume`. 409 `invalid_state` unless it is running."""
    return JobOut.show(services.job_control.pause(job_id))


@router.post(
    "/{job_id}/resume",
    responses=errors(404, 409, 415),
    openapi_extra=json_docs(ResumeIn, optional=True),
)
def resume_job(
    job_id: Id,
    body: Annotated[ResumeIn, Depends(json_body(ResumeIn, optional=True))],
    services: Services,
) -> JobOut:
    """Queue a job that is paused, has failed or was cancelled for its next attempt, which goes on
    from a checkpoint. While it is `pausing`, take the pause back.

    409 `invalid_state` in any other state, 404 `checkpoint_not_found` for a checkpoint that is not
    one of the job's, 422 `invalid_params` for params that the checkpoint does not allow. Nothing
    has changed then.
    """
    return JobOut.show(services.job_control.resume(job_id, body.to_service()))


@router.post("/{job_id}/cancel", responses=errors(404, 409))
def cancel_job(job_id: Id, services: Services) -> JobOut:
    """Save a checkpoint, then stop. 409 `invalid_state` where there is nothing left to stop."""
    return JobOut.show(services.job_control.cancel(job_id))


@router.post("/{job_id}/kill", responses=errors(404, 409))
def kill_job(job_id: Id, services: Services) -> JobOut:
    """Stop now."""
    return JobOut.show(services.job_control.kill(job_id))
