"""Inference, as documented. Requests are answered before they come here: see `api/infer.py`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.infer import respond
from api.openapi import errors
from api.schemas.v2 import InferIn, InferOut
from api.state import AppState, Name

router = APIRouter(prefix="/v2/models", tags=["open inference protocol"])

DOCS: dict[str, Any] = {
    "response_model": InferOut,
    "responses": errors(404, 429, 501),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        }
    },
}


@router.post("/{name}/versions/{version}/infer", **DOCS)
@router.post("/{name}/infer", **DOCS)
async def infer(
    name: Name, request: Request, state: AppState, version: Name | None = None
) -> Response:
    """Run the model. Tensors come as JSON numbers or, behind the JSON, as raw little-endian bytes;
    then the header `Inference-Header-Content-Length` holds the length of the JSON, or 0 where the
    whole body is the bytes of the model's one input. An output's parameter `classification` asks
    for so many of its largest values, as `value:index:label`."""
    answer = await respond(state, name, version, dict(request.headers.raw), request.receive)
    response = Response(answer.body, answer.status)
    response.raw_headers += answer.headers
    return response


__all__ = ["InferIn", "router"]
