"""`python -m workers`: the worker process."""

from __future__ import annotations

import sys
from logging import WARNING, getLogger

from pydantic import ValidationError
from setproctitle import setproctitle

from services import logging
from services.container import Container
from services.settings import Settings
from services.tracing import tracing_of
from workers.process import COMMAND
from workers.signals import Signals
from workers.worker import NotStarted, Worker

TALKATIVE = ("celery.app.trace", "celery.worker.strategy", "alembic.runtime.migration")
"""Loggers whose news are in our own lines already."""


def main() -> int:
    """→ the exit status: 0 after a signal, 1 if it could not start or go on, 2 for bad settings."""
    setproctitle("torchkiln: worker")
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = (f"TORCHKILN_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        return _refuse("; ".join(wrong))
    if not settings.redis_url:
        return _refuse("TORCHKILN_REDIS_URL has to name the broker, redis://…")
    logging.configure("worker", level=settings.log_level, log_format=settings.log_format)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return run(Container(settings, tracing=tracing_of(settings, "torchkiln-worker")))


def run(container: Container, trainer: tuple[str, ...] = COMMAND) -> int:
    """Work with trainers of the command `trainer`. → the exit status."""
    settings = container.settings
    for name in TALKATIVE:
        getLogger(name).setLevel(WARNING)
    trainer += ("--log-level", settings.log_level, "--log-format", settings.log_format)
    try:
        with Signals() as signals:
            return Worker(container, trainer=trainer).run(signals)
    except NotStarted as error:
        print(f"torchkiln worker: cannot start: {error}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        container.close()


def _refuse(reason: str) -> int:
    print(f"torchkiln worker: {reason}", file=sys.stderr)  # noqa: T201
    return 2
