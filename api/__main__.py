"""`python -m api`."""

import sys

# structlog would import rich, and with it pygments, to colour the tracebacks that an API process
# never draws: 4 MB of each one. None makes an import fail, as the language's reference has it.
sys.modules["rich"] = None  # pyright: ignore[reportArgumentType]

from api.main import main  # noqa: E402 - after the line above

del sys.modules["rich"]
main()
