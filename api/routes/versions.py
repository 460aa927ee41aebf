"""Versions of a model, and their files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from api.files import file_response
from api.forms import form_docs, read_model
from api.openapi import content, errors
from api.schemas.common import ListOf, cut, listed
from api.schemas.imports import MAX_TEXT_BYTES, VersionIn
from api.schemas.models import FileOut, VersionOut
from api.state import DEFAULT_LIMIT, After, AppState, Limit, Name, Services

router = APIRouter(prefix="/v1/models/{name}/versions", tags=["models"])


@router.post("", status_code=201, responses=errors(415, 429), openapi_extra=form_docs(VersionIn))
async def import_version(
    name: Name, request: Request, response: Response, state: AppState
) -> VersionOut:
    """Import a model that was trained elsewhere as the next version of `name`.

    It is checked and certified before anything of it is kept, in a process of its own; 422
    `invalid_model` names the tensor or operator at fault.
    """
    with tempfile.TemporaryDirectory(prefix="torchkiln-import-") as directory:
        target = Path(directory, "file")
        form = await read_model(
            request,
            VersionIn,
            target,
            file_field="file",
            limit=state.max_body_bytes,
            field_limit=MAX_TEXT_BYTES,
        )
        imports = state.container.imports
        view = await run_in_threadpool(imports.create, name, form.file, form.to_service())
    await state.engine.watch.refresh()
    response.headers["Location"] = f"/v1/models/{name}/versions/{view.row.version}"
    return VersionOut.show(view)


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
