"""What can be trained on: built in, or uploaded."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.forms import form_docs, read_model
from api.openapi import errors
from api.schemas.common import ListOf, listed
from api.schemas.datasets import DatasetDetail, DatasetIn, DatasetOut, DatasetPreview
from api.state import DEFAULT_LIMIT, After, Id, Limit, Services, state_of

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

MAX_PREVIEW = 100


@router.post(
    "",
    status_code=201,
    responses=errors(415, 429),
    openapi_extra=form_docs(DatasetIn),
)
async def upload_dataset(request: Request, response: Response, services: Services) -> DatasetDetail:
    """Upload a dataset. It is checked and profiled as a whole before anything of it is kept; 422
    `invalid_dataset` names the line, column or entry at fault."""
    limit = state_of(request).max_body_bytes
    with tempfile.TemporaryDirectory(prefix="torchkiln-upload-") as directory:
        target = Path(directory, "upload")
        form = await read_model(request, DatasetIn, target, file_field="file", limit=limit)
        view = await run_in_threadpool(services.datasets.create, form.file, form.to_service())
    response.headers["Location"] = f"/v1/datasets/{view.info.id}"
    return DatasetDetail.show(view)


@router.get("")
def list_datasets(
    services: Services, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> ListOf[DatasetOut]:
    """The built-in ones in a fixed order, then uploads, newest first."""
    return listed(services.datasets.list(limit=limit, after=after), DatasetOut.show)


@router.get("/{dataset_id}", responses=errors(404))
def get_dataset(dataset_id: Id, services: Services) -> DatasetDetail:
    """With the `profile` of an upload: columns, types, ranges, class counts."""
    return DatasetDetail.show(services.datasets.get(dataset_id))


@router.delete("/{dataset_id}", status_code=204, responses=errors(404, 409))
def delete_dataset(dataset_id: Id, services: Services) -> None:
    """Delete an upload. 409 `dataset_in_use` while a job that has not ended uses it, and
    `builtin_dataset` for one that is built in."""
    services.datasets.delete(dataset_id)


@router.get("/{dataset_id}/preview", responses=errors(404, 409))
def preview_dataset(
    dataset_id: Id, services: Services, rows: Annotated[int, Query(ge=1, le=MAX_PREVIEW)] = 10
) -> DatasetPreview:
    """The first rows; 409 `dataset_unavailable` where the data are not on this host."""
    preview = services.datasets.preview(dataset_id, rows=rows)
    return DatasetPreview.model_validate({**preview, "id": dataset_id})
