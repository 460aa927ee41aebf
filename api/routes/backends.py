"""Backends of a version, as far as its owner has a say in them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool

from api.bodies import json_body, json_docs
from api.openapi import errors
from api.schemas.models import BackendIn, VersionOut
from api.state import AppState, Name

router = APIRouter(prefix="/v1/models/{name}/versions/{version}/backends", tags=["models"])


@router.put(
    "/{backend}",
    responses=errors(404, 409, 415),
    openapi_extra=json_docs(BackendIn),
)
async def set_backend(
    name: Name,
    version: Name,
    backend: Name,
    body: Annotated[BackendIn, Depends(json_body(BackendIn))],
    state: AppState,
) -> VersionOut:
    """Let `auto` pick a backend, or keep it back; a request that names it is answered either way.

    Variants of fewer bits are kept back until they are allowed. 409 `not_certified` where the
    backend has no certificate, `last_backend` where `auto` would have none left.
    """
    choices = state.container.backend_choices
    await run_in_threadpool(choices.set_auto, name, version, backend, body.auto)
    await state.engine.watch.refresh()
    return VersionOut.show(await run_in_threadpool(state.container.registry.version, name, version))
