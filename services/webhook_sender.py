"""One try of a delivery: a signed POST to the job's webhook, and what came of it."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from models.lazy import lazy
from services.db.tables import Delivery
from services.deliveries import Deliveries
from services.webhook_retries import pause_s
from services.webhook_settings import WebhookSettings
from services.webhook_signature import key_of, signature_headers
from services.webhooks import webhook_problem

if TYPE_CHECKING:
    import httpx
else:
    httpx = lazy("httpx")  # a worker whose jobs have no webhooks does without

LIMIT_S = 10.0
"""How long a try may take in all, from looking the name up to the head of the answer."""
GONE = 410
MAX_REASON = 300

log: Any = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Failure:
    reason: str
    final: bool = False
    """There is no point in another try."""
    retry_after: str | None = None


class WebhookSender:
    def __init__(
        self, deliveries: Deliveries, settings: WebhookSettings, *, limit_s: float = LIMIT_S
    ) -> None:
        self._deliveries = deliveries
        self._settings = settings
        self._limit_s = limit_s

    async def send(self, delivery: Delivery) -> None:
        """Try it, and write down what came of it. Raises `Unavailable` where that cannot be
        written; the delivery is then tried again when its lease has lapsed."""
        failure = await self._try(delivery)
        about = {"job_id": delivery.job_id, "delivery_id": delivery.id, "tries": delivery.tries}
        if failure is None:
            log.info("webhook_delivered", **about)
            await asyncio.to_thread(self._deliveries.arrived, delivery)
            return
        reason, again_in_s = failure.reason, None
        if not failure.final and delivery.tries >= self._settings.webhook_tries:
            reason = f"{reason}; given up after {delivery.tries} tries"
        elif not failure.final:
            again_in_s = pause_s(delivery.tries, failure.retry_after, datetime.now(UTC))
        log.warning("webhook_failed", reason=reason, again_in_s=again_in_s, **about)
        await asyncio.to_thread(self._deliveries.failed, delivery, reason, again_in_s)

    async def _try(self, delivery: Delivery) -> Failure | None:
        problem = webhook_problem(delivery.url, self._settings)
        if problem is not None:  # allowed when the job was submitted, and no longer
            return Failure(problem, final=True)
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._post(delivery)
        except TimeoutError:
            return Failure(f"no answer within {self._limit_s:g} s")
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            return Failure(f"the request failed: {said}"[:MAX_REASON])
        except Exception as error:  # of what lies below: one receiver must not stop the others
            log.exception("webhook_broken", delivery_id=delivery.id)
            return Failure(f"the request failed: {type(error).__name__}")

    async def _post(self, delivery: Delivery) -> Failure | None:
        """The answer's body is not read: nothing depends on it, and it may have no end."""
        body = orjson.dumps(delivery.payload)
        key = key_of(self._settings.webhook_secret.get_secret_value())
        headers = {
            "content-type": "application/json",
            "user-agent": "torchkiln",
            **signature_headers(key, delivery.id, int(time.time()), body),
        }
        # A client for each: they share no connections and, above all, no cookies.
        async with (
            httpx.AsyncClient(
                verify=self._tls, trust_env=False, follow_redirects=False, timeout=self._limit_s
            ) as client,
            client.stream("POST", delivery.url, content=body, headers=headers) as response,
        ):
            return _failure(response.status_code, response.headers.get("retry-after"))

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """What httpx trusts, and the host's own authorities besides: receivers are often inside."""
        context = httpx.create_ssl_context(trust_env=False)
        context.load_default_certs()
        return context


def _failure(status: int, retry_after: str | None) -> Failure | None:
    if 200 <= status < 300:
        return None
    if status == GONE:
        return Failure("the receiver answered 410: it wants no more", final=True)
    moved = ", and redirects are not followed" if 300 <= status < 400 else ""
    return Failure(f"expected an answer of 2xx, got {status}{moved}", retry_after=retry_after)
