"""Plots, and the numbers beside them, that a job has made."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import FileResponse

from api.files import file_response
from api.openapi import content, errors
from api.schemas.common import ListOf, cut, listed
from api.schemas.jobs import ArtifactOut
from api.state import DEFAULT_LIMIT, After, Id, Limit, Name, Services

router = APIRouter(prefix="/v1/jobs/{job_id}/artifacts", tags=["jobs"])


@router.get("", responses=errors(404))
def list_artifacts(
    job_id: Id, services: Services, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> ListOf[ArtifactOut]:
    """By name."""
    rows = services.jobs.artifacts(job_id)
    return listed(cut(rows, lambda row: row.name, limit=limit, after=after), ArtifactOut.show)


@router.get(
    "/{name}",
    response_class=FileResponse,
    responses={200: content("image/png", "application/json")} | errors(404),
)
def get_artifact(job_id: Id, name: Name, services: Services) -> FileResponse:
    row = services.jobs.artifact(job_id, name)
    return file_response(
        services.storage, row.key, name=row.name, media_type=row.media_type, sha256=row.sha256
    )
