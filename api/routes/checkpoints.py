"""Checkpoints of a job."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import FileResponse

from api.files import file_response
from api.openapi import content, errors
from api.schemas.common import ListOf, cut, listed
from api.schemas.jobs import CheckpointOut
from api.state import DEFAULT_LIMIT, After, Id, Limit, Services

router = APIRouter(prefix="/v1/jobs/{job_id}/checkpoints", tags=["jobs"])


@router.get("", responses=errors(404))
def list_checkpoints(
    job_id: Id, services: Services, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> ListOf[CheckpointOut]:
    """Newest first."""
    rows = services.jobs.checkpoints(job_id)
    return listed(cut(rows, lambda row: row.id, limit=limit, after=after), CheckpointOut.show)


@router.get(
    "/{checkpoint_id}/download",
    response_class=FileResponse,
    responses={200: content("application/octet-stream")} | errors(404),
)
def download_checkpoint(job_id: Id, checkpoint_id: Id, services: Services) -> FileResponse:
    row = services.jobs.checkpoint(job_id, checkpoint_id)
    return file_response(
        services.storage,
        row.key,
        name=f"{row.id}.pt",
        media_type="application/octet-stream",
        sha256=row.sha256,
    )
