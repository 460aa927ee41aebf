"""The entry of the web page's process: `python -m dashboard`.

Exit codes: 0 after SIGTERM or SIGINT; 2 for settings that must not be run with; 5 for an address
that is taken.
"""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
import sys
from types import FrameType
from typing import NoReturn

import uvicorn
from pydantic import ValidationError
from setproctitle import setproctitle

from dashboard.app import create_app
from dashboard.settings import DashboardSettings
from torchkiln import Client
from torchkiln.errors import TorchkilnError

EXIT_SETTINGS, EXIT_ADDRESS = 2, 5
GRACE_S = 2
"""How long answers under way may take to end after SIGTERM; live connections have no end."""

log = logging.getLogger(__name__)


class CannotStart(Exception):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def main() -> None:
    setproctitle("torchkiln: dashboard")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("httpx", "uvicorn"):  # they name every request, its ids included
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        settings = _settings()
        _check_key(settings)
        _check_url(settings.url)
        _serve(settings, listen(settings.dashboard_host, settings.dashboard_port))
    except CannotStart as error:
        _exit(str(error), error.code)


def _settings() -> DashboardSettings:
    try:
        return DashboardSettings()
    except ValidationError as error:
        said = [
            f"TORCHKILN_{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}"
            for item in error.errors()
        ]
        raise CannotStart("; ".join(said), EXIT_SETTINGS) from None


def _check_key(settings: DashboardSettings) -> None:
    if settings.key is None or _is_loopback(settings.dashboard_host):
        return
    raise CannotStart(
        f"refusing to listen on {settings.dashboard_host} with TORCHKILN_API_KEY: anybody who "
        "reaches the page would act with that key. Without it, the page asks each visitor for one",
        EXIT_SETTINGS,
    )


def _check_url(url: str) -> None:
    try:
        Client(url).close()
    except TorchkilnError as error:
        raise CannotStart(f"TORCHKILN_URL: {error}", EXIT_SETTINGS) from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _serve(settings: DashboardSettings, sock: socket.socket) -> None:
    config = uvicorn.Config(
        create_app(settings),
        ws="websockets-sansio",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = uvicorn.Server(config)

    def stop_soon(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn passes each signal on to the handler that was there before once it is done; the
    # default one would end the process with the signal's status.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop_soon)
    log.info("the web page of %s, on port %d", settings.url, sock.getsockname()[1])
    server.run([sock])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, beside that by which `torchkiln up` keeps the port for this process."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise CannotStart(
            f"cannot listen on {host} port {port}: {error.strerror or error}; set "
            "TORCHKILN_DASHBOARD_HOST and TORCHKILN_DASHBOARD_PORT to an address that is free",
            EXIT_ADDRESS,
        ) from None
    return sock


def _exit(message: str, code: int) -> NoReturn:
    print(f"torchkiln dashboard: {message}", file=sys.stderr)  # noqa: T201 - for who started it
    raise SystemExit(code)


if __name__ == "__main__":
    main()
