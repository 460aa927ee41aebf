"""Wake-up messages to the workers, by Celery. The message holds an id; SQL holds the truth.

A message that cannot be sent is no error: the sweeper sends it again.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import redis
import structlog
from celery import Celery
from kombu.entity import Queue as KombuQueue
from kombu.exceptions import KombuError

from services.db.tables import Benchmark, Job
from services.errors import Unavailable

RUN_JOB = "torchkiln.run_job"
RUN_BENCHMARK = "torchkiln.run_benchmark"
QueueName = Literal["cpu", "gpu"]

log: Any = structlog.get_logger(__name__)


class Queue(Protocol):
    def wake_job(self, job: Job) -> None: ...

    def wake_benchmark(self, benchmark: Benchmark) -> None: ...

    def ping(self) -> None:
        """Raises `Unavailable` when the broker does not answer."""
        ...

    def close(self) -> None: ...


def queue_for(device: str) -> QueueName:
    """The queue that workers with `device` listen on; `auto` is taken by any worker."""
    return "gpu" if device.startswith("cuda") else "cpu"


def celery_app(redis_url: str) -> Celery:
    """The application that senders and workers share; tasks are registered by the worker alone."""
    app = Celery("torchkiln", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_queues=[KombuQueue("cpu"), KombuQueue("gpu")],
        task_default_queue="cpu",
        task_create_missing_queues=False,
        broker_connection_timeout=2.0,
        broker_transport_options={
            "socket_connect_timeout": 2.0,
            "socket_timeout": 5.0,
            "socket_keepalive": True,
            "health_check_interval": 15,
            "queue_order_strategy": "priority",
            "priority_steps": list(range(10)),
            # Without this a publish to a dead broker retries for minutes inside the transport.
            "max_retries": 0,
            "retry_on_timeout": False,
        },
    )
    return app


class CeleryQueue:
    def __init__(self, redis_url: str) -> None:
        self._app = celery_app(redis_url)
        self._redis = redis.Redis.from_url(
            redis_url, socket_connect_timeout=2.0, socket_timeout=2.0
        )

    def wake_job(self, job: Job) -> None:
        # Redis serves priority 0 first; ours is 9 for the most urgent.
        self._send(RUN_JOB, job.id, queue_for(job.device), 9 - job.priority)

    def wake_benchmark(self, benchmark: Benchmark) -> None:
        self._send(RUN_BENCHMARK, benchmark.id, "cpu", 4)

    def _send(self, task: str, subject: str, queue: QueueName, priority: int) -> None:
        try:
            self._app.send_task(task, (subject,), queue=queue, priority=priority, retry=False)
        except (KombuError, OSError, redis.RedisError) as error:
            log.warning("wake_up_not_sent", task=task, subject=subject, reason=type(error).__name__)

    def ping(self) -> None:
        try:
            self._redis.ping()
        except (redis.RedisError, OSError) as error:
            raise Unavailable("the broker does not answer", code="broker_unavailable") from error

    def close(self) -> None:
        self._redis.close()
        self._app.close()
