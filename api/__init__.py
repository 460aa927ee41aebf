"""The HTTP room: FastAPI, auth, error mapping, and the fast path of inference."""

import services as services  # first of all: it says what structlog brings along
