"""The stack of `torchkiln up`: which programs it is made of, and in which order they start."""

from __future__ import annotations

import sys
from pathlib import Path

from torchkiln.supervisor import checkout
from torchkiln.supervisor.options import UpOptions, address
from torchkiln.supervisor.processes import Program


class Stack:
    """The programs of one set of options, once the ports and the broker's address are known."""

    def __init__(
        self,
        options: UpOptions,
        *,
        port: int,
        grpc_port: int,
        dashboard_port: int,
        redis_url: str,
    ) -> None:
        self._options = options
        self._root = checkout.root()
        self._env = checkout.environment(
            host=options.host,
            port=port,
            grpc_port=grpc_port,
            url=address(options.host, port),
            dashboard_host=options.dashboard_host,
            dashboard_port=dashboard_port,
            data_dir=options.data_dir,
            database_url=options.database_url,
            redis_url=redis_url,
            job_slots=options.job_slots,
        )

    def migration(self) -> Program:
        return self._program("migrate", "services.manage", "migrate")

    def apis(self) -> list[Program]:
        """The API processes; several share the port."""
        count = self._options.api_workers
        names = ["api"] if count == 1 else [f"api-{number}" for number in range(1, count + 1)]
        # It lets requests under way end, for up to 15 s.
        return [self._program(name, "api", grace_s=20.0) for name in names]

    def worker(self) -> Program:
        # It hands its jobs back before it goes, which takes a checkpoint's time.
        return self._program("worker", "workers", grace_s=30.0)

    def dashboard(self) -> Program:
        """The web page, which asks this very stack."""
        return self._program("dashboard", "dashboard")

    def _program(self, name: str, *arguments: str, grace_s: float = 15.0) -> Program:
        command = [sys.executable, "-m", *arguments]
        return Program(name, command, self._env, self._root, self._log(name), grace_s)

    def _log(self, name: str) -> Path:
        return self._options.logs_dir / f"{name}.log"
