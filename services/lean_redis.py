"""redis-py, without what it imports only because it happens to be installed.

Where OpenTelemetry's SDK is there, redis-py imports the SDK's metrics into every process, 0.1 s and
some megabytes for what nobody here asks it for.
"""

from __future__ import annotations

from services.absent import without

with without("opentelemetry.sdk.metrics"):
    import redis as redis
    from redis import asyncio as redis_asyncio
    from redis.asyncio.retry import Retry as AsyncRetry
    from redis.backoff import NoBackoff
    from redis.retry import Retry

__all__ = ["AsyncRetry", "NoBackoff", "Retry", "redis", "redis_asyncio"]
