"""What can be trained."""

from __future__ import annotations

from fastapi import APIRouter

from api.openapi import errors
from api.schemas.catalogue import PipelineDetail, PipelineOut
from api.schemas.common import ListOf, cut, listed
from api.state import DEFAULT_LIMIT, After, Limit, Name, Services

router = APIRouter(prefix="/v1/pipelines", tags=["pipelines"])


@router.get("")
def list_pipelines(
    services: Services, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> ListOf[PipelineOut]:
    """In the tutorial's order."""
    page = cut(services.pipelines.list(), lambda one: one.name, limit=limit, after=after)
    return listed(page, PipelineOut.show)


@router.get("/{name}", responses=errors(404))
def get_pipeline(name: Name, services: Services) -> PipelineDetail:
    """With `params_schema`, of which forms can be made."""
    return PipelineDetail.show(services.pipelines.get(name))
