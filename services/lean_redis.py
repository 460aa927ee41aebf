"""redis-py, without what it imports for everybody: its cluster and sentinel clients, 1.2 MB of each
process, and where OpenTelemetry's SDK is installed the SDK's metrics, 0.1 s and some megabytes.
"""

from __future__ import annotations

from services.absent import bare, without

with without("opentelemetry.sdk.metrics"), bare("redis"), bare("redis.asyncio"):
    from redis.asyncio.client import Redis as AsyncRedis
    from redis.asyncio.retry import Retry as AsyncRetry
    from redis.backoff import NoBackoff
    from redis.client import Redis
    from redis.exceptions import RedisError
    from redis.retry import Retry

__all__ = ["AsyncRedis", "AsyncRetry", "NoBackoff", "Redis", "RedisError", "Retry"]
