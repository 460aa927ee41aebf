"""Versions of a model, and their files."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from api.files import file_response
from api.openapi import content, errors
from api.schemas.common import ListOf, cut, listed
from api.schemas.models import FileOut, VersionOut
from api.state import DEFAULT_LIMIT, After, AppState, Limit, Name, Services

router = APIRouter(prefix="/v1/models/{name}/versions", tags=["models"])


@router.get("", responses=errors(404))
def list_versions(
    name: Name, services: Services, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> ListOf[VersionOut]:
    """Newest first; `after` is a version's number."""
    return listed(services.registry.versions(name, limit=limit, after=after), VersionOut.show)


@router.get("/{version}", responses=errors(404))
def get_version(name: Name, version: Name, services: Services) -> VersionOut:
    """`version` is a number or an alias."""
    return VersionOut.show(services.registry.version(name, version))


@router.delete("/{version}", status_code=204, responses=errors(404, 409))
async def delete_version(name: Name, version: Name, state: AppState) -> None:
    """Delete a version with its files. 409 `alias_in_use` while an alias points at it."""
    await run_in_threadpool(state.container.registry.delete_version, name, version)
    await state.engine.watch.refresh()


@router.get("/{version}/files", responses=errors(404))
def list_files(
    name: Name,
    version: Name,
    services: Services,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> ListOf[FileOut]:
    view = services.registry.version(name, version)
    page = cut(view.row.files, lambda file: file["name"], limit=limit, after=after)
    return listed(page, lambda file: FileOut.show(view, file))


@router.get(
    "/{version}/files/{file}",
    response_class=FileResponse,
    responses={200: content("application/octet-stream", "application/json", "text/markdown")}
    | errors(404),
)
def get_file(name: Name, version: Name, file: Name, services: Services) -> FileResponse:
    entry = services.registry.file(name, version, file)
    return file_response(
        services.storage,
        entry["key"],
        name=entry["name"],
        media_type=entry["media_type"],
        sha256=entry["sha256"],
    )
