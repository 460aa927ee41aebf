"""The Celery worker, the supervisor of a trainer, the trainer."""

# Before anything else imports structlog.
from services import lean_structlog as lean_structlog
