"""structlog, without what it imports only because it happens to be installed.

It takes rich and Pygments for the console's tracebacks, 4 MB of every process. To be imported
before anything else imports structlog.
"""

from __future__ import annotations

import sys
from typing import Any

UNWANTED = "rich"

_modules: dict[str, Any] = sys.modules  # it may hold None, which its type does not say
_hidden = UNWANTED not in _modules
if _hidden:
    _modules[UNWANTED] = None
try:
    import structlog as structlog
finally:
    if _hidden:
        del _modules[UNWANTED]
