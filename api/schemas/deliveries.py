"""What is sent to the webhook of a job."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas.common import ResponseModel, Time
from services.db.tables import Delivery


class DeliveryOut(ResponseModel):
    id: str = Field(description="The header `webhook-id`, the same in every try")
    object: Literal["delivery"] = "delivery"
    type: str = Field(description="`job.succeeded`, `job.failed`, `job.cancelled` or `job.paused`")
    url: str
    created_at: Time
    tries: int
    due_at: Time | None = Field(description="Of the next try; null: arrived, or given up")
    delivered_at: Time | None
    error: str | None = Field(description="What was wrong with the last try")

    @classmethod
    def show(cls, row: Delivery) -> DeliveryOut:
        return cls.model_validate({**vars(row), "type": row.payload["type"]})
