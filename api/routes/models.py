"""Models, and the names that point at their versions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool

from api.bodies import json_body, json_docs
from api.openapi import errors
from api.schemas.common import ListOf, listed
from api.schemas.models import AliasIn, ModelOut, VersionOut
from api.state import DEFAULT_LIMIT, After, AppState, Limit, Name, Services

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("")
def list_models(
    services: Services, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> ListOf[ModelOut]:
    """Newest first."""
    return listed(services.registry.models(limit=limit, after=after), ModelOut.show)


@router.get("/{name}", responses=errors(404))
def get_model(name: Name, services: Services) -> ModelOut:
    return ModelOut.show(services.registry.model(name))


@router.put(
    "/{name}/aliases/{alias}",
    responses=errors(404, 409, 415),
    openapi_extra=json_docs(AliasIn),
)
async def set_alias(
    name: Name,
    alias: Name,
    body: Annotated[AliasIn, Depends(json_body(AliasIn))],
    state: AppState,
) -> VersionOut:
    """Point an alias at a version. Requests see it at once here, elsewhere within a second.

    409 `not_certified` where the version has no certified backend.
    """
    registry = state.container.registry
    view = await run_in_threadpool(registry.set_alias, name, alias, body.version)
    await state.engine.follow(name)
    return VersionOut.show(view)


@router.delete("/{name}/aliases/{alias}", status_code=204, responses=errors(404))
async def delete_alias(name: Name, alias: Name, state: AppState) -> None:
    await run_in_threadpool(state.container.registry.delete_alias, name, alias)
    await state.engine.follow(name)
