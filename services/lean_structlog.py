"""structlog, without rich and Pygments, which it takes for the console's tracebacks where they are
installed: 4 MB of every process. To be imported before anything else imports structlog."""

from __future__ import annotations

from services.absent import without

with without("rich"):
    import structlog as structlog
