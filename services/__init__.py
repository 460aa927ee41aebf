"""Use cases, and the ports they stand on.

Imports structlog, before anything of this room does, without rich and Pygments: structlog takes
them for the console's tracebacks wherever they happen to be installed, 4 MB of every process.
"""

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules  # it may hold None, which its type does not say
if "rich" not in _modules:
    _modules["rich"] = None
    try:
        import structlog as structlog
    finally:
        del _modules["rich"]
