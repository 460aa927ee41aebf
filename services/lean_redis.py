"""redis-py, without what it imports only because it happens to be installed.

Where OpenTelemetry's SDK is there, redis-py imports the SDK's metrics into every process, 0.1 s and
some megabytes for what nobody here asks it for. An entry of None makes that one import fail, which
redis-py takes for the SDK not being there.
"""

from __future__ import annotations

import sys
from typing import Any

UNWANTED = "opentelemetry.sdk.metrics"

_modules: dict[str, Any] = sys.modules  # it may hold None, which its type does not say
_hidden = UNWANTED not in _modules
if _hidden:
    _modules[UNWANTED] = None
try:
    import redis as redis
    from redis import asyncio as redis_asyncio
    from redis.asyncio.retry import Retry as AsyncRetry
    from redis.backoff import NoBackoff
    from redis.retry import Retry
finally:
    if _hidden:
        del _modules[UNWANTED]

__all__ = ["AsyncRetry", "NoBackoff", "Retry", "redis", "redis_asyncio"]
