"""Bodies that hold rows for a model: JSON, a picture, a table."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from api.bodies import read_body
from api.schemas.prediction import PredictIn
from api.state import State
from services.serving.bodies import unpack
from services.serving.images import MEDIA_TYPES

BYTES = {"schema": {"type": "string", "format": "binary"}}
ROWS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": PredictIn.model_json_schema()},
            **dict.fromkeys(MEDIA_TYPES, BYTES),
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}
"""`openapi_extra` of a route that reads rows."""


async def read_rows(request: Request, state: State) -> tuple[bytes, str]:
    """→ the unpacked body and its media type. Raises what reading and unpacking raise."""
    body = await read_body(request.receive, state.max_body_bytes)
    body = unpack(body, request.headers.get("content-encoding", ""), limit=state.max_body_bytes)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return body, media_type
