"""The HTTP room: FastAPI, auth, error mapping, and the fast path of inference."""

# Before anything else imports these.
from api import lean_fastapi as lean_fastapi
from api import lean_uvicorn as lean_uvicorn
from services import lean_structlog as lean_structlog
