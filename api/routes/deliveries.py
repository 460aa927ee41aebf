"""What is sent to the webhook of a job."""

from __future__ import annotations

from fastapi import APIRouter

from api.openapi import errors
from api.schemas.common import ListOf, cut, listed
from api.schemas.deliveries import DeliveryOut
from api.state import DEFAULT_LIMIT, After, Id, Limit, Services

router = APIRouter(prefix="/v1/jobs/{job_id}/deliveries", tags=["jobs"])


@router.get("", responses=errors(404))
def list_deliveries(
    job_id: Id, services: Services, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> ListOf[DeliveryOut]:
    """Newest first: one for each time that the job ended or paused, with how it fared."""
    rows = services.deliveries.list(job_id)
    return listed(cut(rows, lambda row: row.id, limit=limit, after=after), DeliveryOut.show)
