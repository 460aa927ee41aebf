"""Wake-up messages to the workers, by Celery. The message holds an id; SQL holds the truth.

A message that cannot be sent is no error: the sweeper sends it again. Celery is imported by the
first one: a process that only serves models never needs it.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import structlog

from models.lazy import lazy
from services.db.tables import Benchmark, Job
from services.errors import Unavailable
from services.lean_redis import Redis, RedisError
from services.tracing import NO_SPAN, OFF, Span, Tracing

if TYPE_CHECKING:
    import celery
    from kombu import entity, exceptions
else:
    celery = lazy("celery")
    entity = lazy("kombu.entity")
    exceptions = lazy("kombu.exceptions")

RUN_JOB = "torchkiln.run_job"
RUN_RANKS = "torchkiln.run_ranks"
RUN_BENCHMARK = "torchkiln.run_benchmark"
QueueName = Literal["cpu", "gpu"]
QUEUES: tuple[QueueName, ...] = get_args(QueueName)
PRIORITIES = range(10)
SEPARATOR = "\x06\x16"
"""Between a queue's name and a priority other than 0 in the name of a list (kombu's Redis
transport, `Channel.sep`)."""

log: Any = structlog.get_logger(__name__)


class Queue(Protocol):
    def wake_job(self, job: Job) -> None: ...

    def wake_ranks(self, job: Job, device: str) -> None:
        """Call another worker, one with `device`, to take part in a job that is running."""
        ...

    def wake_benchmark(self, benchmark: Benchmark) -> None: ...

    def waiting(self) -> Mapping[QueueName, int]:
        """Messages that no worker has fetched yet. Raises `Unavailable`."""
        ...

    def ping(self) -> None:
        """Raises `Unavailable` when the broker does not answer."""
        ...

    def close(self) -> None: ...


def queue_for(device: str) -> QueueName:
    """The queue that workers with `device` listen on; `auto` is taken by any worker."""
    return "gpu" if device.startswith("cuda") else "cpu"


def celery_app(redis_url: str) -> celery.Celery:
    """The application that senders and workers share; tasks are registered by the worker alone."""
    app = celery.Celery("torchkiln", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_queues=[entity.Queue("cpu"), entity.Queue("gpu")],
        task_default_queue="cpu",
        task_create_missing_queues=False,
        broker_connection_timeout=2.0,
        broker_transport_options={
            "socket_connect_timeout": 2.0,
            "socket_timeout": 5.0,
            "socket_keepalive": True,
            "health_check_interval": 15,
            "queue_order_strategy": "priority",
            "priority_steps": list(PRIORITIES),
            # Without this a publish to a dead broker retries for minutes inside the transport.
            "max_retries": 0,
            "retry_on_timeout": False,
        },
    )
    return app


class CeleryQueue:
    def __init__(self, redis_url: str, tracing: Tracing = OFF) -> None:
        self._url = redis_url
        self._tracing = tracing
        self._app: celery.Celery | None = None
        self._lock = threading.Lock()
        self._redis = Redis.from_url(redis_url, socket_connect_timeout=2.0, socket_timeout=2.0)

    def wake_job(self, job: Job) -> None:
        queue = queue_for(job.device)
        with self._told(job, queue) as span:
            # Redis serves priority 0 first; ours is 9 for the most urgent.
            self._send(RUN_JOB, job.id, queue, 9 - job.priority, span)

    def wake_ranks(self, job: Job, device: str) -> None:
        self._send(RUN_RANKS, job.id, queue_for(device), 9 - job.priority)

    def wake_benchmark(self, benchmark: Benchmark) -> None:
        # One that is meant for a host was asked for by the service itself, and can wait.
        self._send(RUN_BENCHMARK, benchmark.id, "cpu", 4 if benchmark.host is None else 9)

    def _told(self, job: Job, queue: QueueName) -> AbstractContextManager[Span]:
        """A span in the trace of the job's request, also where it is the sweeper that sends."""
        if job.traceparent is None:
            return nullcontext(NO_SPAN)
        attributes = {
            "messaging.system": "redis",
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
            "messaging.destination.name": queue,
            "torchkiln.job.id": job.id,
        }
        return self._tracing.span(
            f"send {queue}", kind="producer", parent=job.traceparent, attributes=attributes
        )

    def _send(
        self, task: str, subject: str, queue: QueueName, priority: int, span: Span = NO_SPAN
    ) -> None:
        try:
            self._celery().send_task(task, (subject,), queue=queue, priority=priority, retry=False)
        except (exceptions.KombuError, OSError, RedisError) as error:
            span.fail(type(error).__name__)
            log.warning("wake_up_not_sent", task=task, subject=subject, reason=type(error).__name__)

    def _celery(self) -> celery.Celery:
        with self._lock:
            if self._app is None:
                self._app = celery_app(self._url)
            return self._app

    def waiting(self) -> Mapping[QueueName, int]:
        with _answering():
            return {queue: sum(map(self._length, _lists(queue))) for queue in QUEUES}

    def _length(self, name: str) -> int:
        return self._redis.llen(name)

    def ping(self) -> None:
        with _answering():
            self._redis.ping()

    def close(self) -> None:
        self._redis.close()
        if self._app is not None:
            self._app.close()


def _lists(queue: QueueName) -> Sequence[str]:
    """The lists in Redis that a queue is made of, one for each priority."""
    return [f"{queue}{SEPARATOR}{priority}" if priority else queue for priority in PRIORITIES]


@contextmanager
def _answering() -> Generator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable("the broker does not answer", code="broker_unavailable") from error
