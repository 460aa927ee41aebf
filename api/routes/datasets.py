"""What can be trained on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.openapi import errors
from api.schemas.catalogue import DatasetOut, DatasetPreview
from api.schemas.common import ListOf, cut, listed
from api.state import DEFAULT_LIMIT, After, Id, Limit, Services
from models.data import DatasetInfo

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

MAX_PREVIEW = 100


@router.get("")
def list_datasets(
    services: Services, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> ListOf[DatasetOut]:
    def show(info: DatasetInfo) -> DatasetOut:
        return DatasetOut.show(info, available=services.datasets.available(info.id))

    page = cut(services.datasets.list(), lambda one: one.id, limit=limit, after=after)
    return listed(page, show)


@router.get("/{dataset_id}", responses=errors(404))
def get_dataset(dataset_id: Id, services: Services) -> DatasetOut:
    info = services.datasets.get(dataset_id)
    return DatasetOut.show(info, available=services.datasets.available(info.id))


@router.get("/{dataset_id}/preview", responses=errors(404, 409))
def preview_dataset(
    dataset_id: Id, services: Services, rows: Annotated[int, Query(ge=1, le=MAX_PREVIEW)] = 10
) -> DatasetPreview:
    """The first rows; 409 `dataset_unavailable` where the data are not on this host."""
    preview = services.datasets.preview(dataset_id, rows=rows)
    return DatasetPreview.model_validate({**preview, "id": dataset_id})
