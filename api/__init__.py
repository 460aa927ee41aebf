"""The HTTP room: FastAPI, auth, error mapping, and the fast path of inference."""
