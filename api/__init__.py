"""The HTTP room: FastAPI, auth, error mapping, and the fast path of inference."""

# Before anything else imports structlog.
from services import lean_structlog as lean_structlog
