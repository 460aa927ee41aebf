"""Triton's repository extension: what there is, and bringing it into memory and out."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import APIRouter, Request
from pydantic import ValidationError

from api.bodies import parse_json, read_body
from api.openapi import errors
from api.schemas.v2 import IndexEntry, IndexIn
from api.state import AppState, Name, Serving
from services.errors import Invalid
from services.field_errors import field_errors
from services.serving.engine import Engine
from services.serving.errors import Unsupported
from services.serving.versions import ServedVersion

router = APIRouter(prefix="/v2/repository", tags=["open inference protocol"])

INDEX_BODY = {"content": {"application/json": {"schema": IndexIn.model_json_schema()}}}
PARAMETERS_BODY = {
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"parameters": {"type": "object"}}}
        }
    }
}


@router.post("/index", openapi_extra={"requestBody": INDEX_BODY})
async def index(request: Request, state: AppState) -> list[IndexEntry]:
    """Every version of every model. An empty body is as good as `{}`."""
    body = await read_body(request.receive, state.max_body_bytes)
    try:
        wanted = IndexIn.model_validate(parse_json(body) if body.strip() else {})
    except ValidationError as error:
        fields = field_errors(error.errors(include_url=False), IndexIn)
        raise Invalid("the request is not valid", errors=fields) from None
    return entries(state.engine, ready_only=wanted.ready)


@router.post(
    "/models/{name}/load",
    responses=errors(404, 429, 501),
    openapi_extra={"requestBody": PARAMETERS_BODY},
)
async def load(name: Name, request: Request, state: AppState) -> None:
    """Bring the champion into memory, and allow requests to the model again, in every process."""
    await bring_in(state.engine, name, await _parameters(request, state.max_body_bytes))


@router.post(
    "/models/{name}/unload", responses=errors(404), openapi_extra={"requestBody": PARAMETERS_BODY}
)
async def unload(name: Name, request: Request, engine: Serving, state: AppState) -> None:
    """Give its memory back; requests to it are refused until it is loaded again, by every process
    and after a restart too."""
    await _parameters(request, state.max_body_bytes)
    await engine.unload(name)


async def _parameters(request: Request, limit: int) -> dict[str, object]:
    body = await read_body(request.receive, limit)
    value = parse_json(body) if body.strip() else {}
    parameters = value.get("parameters", {}) if isinstance(value, dict) else None
    if not isinstance(parameters, dict):
        raise Invalid("parameters: expected an object")
    return parameters


def entries(engine: Engine, *, ready_only: bool) -> list[IndexEntry]:
    """What `index` answers, over gRPC too."""
    found = [_entry(engine, served) for served in engine.versions()]
    return [entry for entry in found if entry.state == "READY" or not ready_only]


async def bring_in(engine: Engine, name: str, parameters: Collection[str]) -> None:
    """What `load` does, over gRPC too; `parameters` are the names of those that were sent."""
    if any(key == "config" or key.startswith("file:") for key in parameters):
        raise Unsupported("a model's configuration comes from its training, not from load")
    await engine.load(name)


def _entry(engine: Engine, served: ServedVersion) -> IndexEntry:
    found = engine.state_of(served)
    return IndexEntry(
        name=served.name, version=str(served.version), state=found.state, reason=found.reason
    )
