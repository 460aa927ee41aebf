"""The Celery application of a worker: which tasks there are, and how they are fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from celery import Celery

from services.queue import celery_app
from workers.slots import FreeQueues, Slots

Task = Callable[[str], None]
"""Takes the id of what is to be done, and raises nothing."""


def worker_app(redis_url: str, tasks: Mapping[str, Task], slots: Slots) -> Celery:
    """`tasks` by their names on the wire. The queues are those that have slots.

    A message is acknowledged when its task starts, and none is fetched before a slot is free for
    it: the message only wakes a worker up, so it is better lost than held back from another one.
    """
    app = celery_app(redis_url)
    app.conf.update(
        worker_pool="workers.consumer:WakingPool",
        worker_concurrency=slots.total,
        worker_disable_prefetch=True,
        # No second limit: it counts what was not acknowledged, and one message whose
        # acknowledgement failed with its broker would take a slot for ever (kombu 5.7).
        worker_prefetch_multiplier=0,
        task_acks_late=False,
        # No difference to tasks that are acknowledged early, but its default is warned about.
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # What a server says that is no longer, or not yet, the one to write to passes as well.
        broker_channel_error_retry=True,
        broker_transport_options={
            **app.conf.broker_transport_options,
            "queue_order_strategy": partial(FreeQueues, slots),
        },
    )
    app.amqp.queues.select([*slots.of_queue])
    for name, task in tasks.items():
        app.task(name=name)(task)
    app.finalize()
    return app
