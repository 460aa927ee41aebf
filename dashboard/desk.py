"""What all pages share: the settings, the visitors' keys, the threads for calls."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from dashboard.service import Service
from dashboard.sessions import Sessions
from dashboard.settings import DashboardSettings

THREADS = 32


class Desk:
    def __init__(self, settings: DashboardSettings) -> None:
        self.url = settings.url
        self.sessions = Sessions()
        self._key = settings.key
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="service")

    def service(self, session: str, key: str | None = None) -> Service:
        """A connection for a visitor, with `key`, or the visitor's, or else the process's own."""
        chosen = key or self.sessions.key(session) or self._key
        return Service(self.url, chosen, self._executor)
