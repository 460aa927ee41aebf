"""A worker process whose trainers have the pipelines of the tests."""

import sys

from services import logging
from services.container import Container
from services.settings import Settings
from services.tracing import tracing_of
from tests.workers.trainers import TRAINER
from workers.main import run

if __name__ == "__main__":
    settings = Settings()
    logging.configure("worker", level=settings.log_level, log_format=settings.log_format)
    sys.exit(run(Container(settings, tracing=tracing_of(settings, "torchkiln-worker")), TRAINER))
