"""uvicorn, without the library by which it watches source files where that is installed. To be
imported before anything else imports uvicorn."""

from __future__ import annotations

from services.absent import without

with without("watchfiles"):
    import uvicorn as uvicorn
