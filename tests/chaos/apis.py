"""API processes that are killed and started again at the same address."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx

from services.settings import Settings
from tests.support.valkey import free_port
from tests.workers.waiting import wait_for


class Api:
    def __init__(self, settings: Settings, directory: Path) -> None:
        """`directory`: for its log."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = directory / f"api-{self.port}.log"
        self._environment = {
            **os.environ,
            "TORCHKILN_DATA_DIR": str(settings.data_dir),
            "TORCHKILN_DATABASE_URL": settings.database_url,
            "TORCHKILN_REDIS_URL": settings.redis_url,
            "TORCHKILN_PORT": str(self.port),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "api"], stderr=log, env=self._environment
            )
        wait_for(self._answers, "the API process to answer")

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False
