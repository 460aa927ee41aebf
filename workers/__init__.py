"""The Celery worker, the supervisor of a trainer, the trainer."""

import services as services  # first of all: it says what structlog brings along
