"""Predictions for people: JSON rows, a picture, a table."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from api.bodies import departure
from api.infer import timeout_s
from api.openapi import errors
from api.rows import ROWS, read_rows
from api.schemas.prediction import PredictOut
from api.state import AppState
from services.serving.prediction import predict

router = APIRouter(prefix="/v1/models", tags=["prediction"])


@router.post(
    "/{target}/predict",
    response_model=PredictOut,
    responses=errors(404, 409, 415, 429),
    openapi_extra=ROWS,
)
async def predict_rows(
    target: Annotated[
        str, Path(max_length=129, description="`name`, `name@version` or `name@alias`")
    ],
    request: Request,
    state: AppState,
    backend: Annotated[
        str | None, Query(max_length=64, description="`auto`, or one that is certified")
    ] = None,
    x_request_timeout: Annotated[
        str | None,
        Header(max_length=32, description="Seconds after which the answer is of no use any more"),
    ] = None,
) -> Response:
    """Predict. Pictures are resized and converted to what the model takes; CSV has a header."""
    name, at, ref = target.partition("@")
    body, media_type = await read_rows(request, state)
    patience = None if x_request_timeout is None else x_request_timeout.encode("latin-1")
    answer = await predict(
        state.engine,
        name,
        ref if at else None,
        body,
        media_type=media_type,
        backend=backend,
        timeout_s=timeout_s(patience),
        gone=departure(request.receive),
    )
    return Response(answer, media_type="application/json")
