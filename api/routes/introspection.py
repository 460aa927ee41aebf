"""Inside a version: its layers, their weights, what passes through them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.openapi import Responses, content, errors
from api.rows import ROWS, read_rows
from api.schemas.introspection import ActivationsOut, FeaturesOut, GradientsOut, SummaryOut
from api.state import AppState, Name
from services.introspection import Body, Wanted

router = APIRouter(prefix="/v1/models/{name}/versions/{version}", tags=["introspection"])

Layer = Annotated[
    str | None,
    Query(max_length=256, description="Dotted name of one layer, as `summary` lists them"),
]
Format = Annotated[
    Literal["json", "png"], Query(description="`png` draws the maps of the one `layer`")
]
Target = Annotated[
    str | None, Query(max_length=256, description="A class by its name; the most probable one")
]

FAILURES = errors(404, 409, 415, 429)
PICTURE = content("image/png", description="A picture")
OR_PICTURE: Responses = {200: {"content": PICTURE["content"]}}


@router.get("/summary", response_model=SummaryOut, responses=errors(404, 409, 429))
async def summary(name: Name, version: Name, state: AppState) -> Response:
    """The modules with their output shapes and parameter counts, also as a table to print."""
    answer = await state.introspection.look(name, version, Wanted("summary"))
    return Response(answer, media_type="application/json")


@router.get(
    "/weights/{layer}.png",
    response_class=Response,
    responses={200: PICTURE} | errors(404, 409, 429),
)
async def weights(
    name: Name, version: Name, layer: Annotated[str, Path(max_length=256)], state: AppState
) -> Response:
    """The filters of a convolution, the matrix of a linear layer, a histogram of other weights."""
    wanted = Wanted("weights", layer, format="png")
    return _picture(await state.introspection.look(name, version, wanted))


@router.post(
    "/activations",
    response_model=ActivationsOut,
    responses=OR_PICTURE | FAILURES,
    openapi_extra=ROWS,
)
async def activations(
    name: Name,
    version: Name,
    request: Request,
    state: AppState,
    layer: Layer = None,
    format: Format = "json",
) -> Response:
    """What each layer gives for one row: shape, mean, deviation, range, share of zeros."""
    return await _looked(name, version, request, state, Wanted("activations", layer, None, format))


@router.post(
    "/gradients",
    response_model=GradientsOut,
    responses=OR_PICTURE | FAILURES,
    openapi_extra=ROWS,
)
async def gradients(
    name: Name,
    version: Name,
    request: Request,
    state: AppState,
    layer: Layer = None,
    target: Target = None,
    format: Format = "json",
) -> Response:
    """How a class' probability, or the mean of another output, hangs on each layer's output and on
    the parameters, for one row."""
    return await _looked(name, version, request, state, Wanted("gradients", layer, target, format))


@router.post("/features", response_model=FeaturesOut, responses=FAILURES, openapi_extra=ROWS)
async def features(
    name: Name,
    version: Name,
    request: Request,
    state: AppState,
    layer: Annotated[str, Query(max_length=256, description="As `summary` lists them")],
) -> Response:
    """Embeddings: the output of one layer, flattened, for each of up to 64 rows."""
    return await _looked(name, version, request, state, Wanted("features", layer))


async def _looked(
    name: str, version: str, request: Request, state: AppState, wanted: Wanted
) -> Response:
    body = Body(*await read_rows(request, state))
    answer = await state.introspection.look(name, version, wanted, body)
    if wanted.format == "png":
        return _picture(answer)
    return Response(answer, media_type="application/json")


def _picture(png: bytes) -> Response:
    return Response(png, media_type="image/png")
