"""The entry of an API process: `python -m api`.

Exit codes: 0 after SIGTERM or SIGINT; 2 for settings that must not or cannot be run with; 4 for a
database that does not answer or lacks the present schema; 5 for an address that is taken.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import sys
import time
from functools import partial
from types import FrameType
from typing import NoReturn

import structlog
from pydantic import ValidationError
from setproctitle import setproctitle

from api import lean_uvicorn
from api.app import create_app
from api.fast import FastInfer
from api.memory import give_back, settle_collector, share_heap
from api.protocol import KilnProtocol
from api.state import State
from api.traced import TracedInfer
from services import logging
from services.container import Container
from services.db import migrate
from services.errors import ServiceError, Unavailable
from services.settings import Settings
from services.tracing import tracing_of

EXIT_SETTINGS, EXIT_DATABASE, EXIT_ADDRESS = 2, 4, 5  # 3 is uvicorn's own

DATABASE_TRIES = 5
DATABASE_PAUSE_S = 1.0
KEEP_ALIVE_S = 75
"""Longer than the idle timeout of common proxies, so that it is they who close."""
GRACE_S = 15
"""How long requests under way may take to end after SIGTERM."""
BACKLOG = 4096

log = structlog.get_logger(__name__)


class CannotStart(Exception):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Server(lean_uvicorn.Server):
    """uvicorn, which also tells streams that have no end of their own to end."""

    def __init__(self, config: lean_uvicorn.Config, state: State) -> None:
        super().__init__(config)
        self._state = state

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        settle_collector()
        self._giving_back = asyncio.create_task(give_back(), name="memory")

    def stop_soon(self, _signal: int, _frame: FrameType | None) -> None:
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._state.closing.set()
        super().handle_exit(sig, frame)


def main() -> None:
    setproctitle("torchkiln: api")
    share_heap()
    try:
        settings = _settings()
        logging.configure("api", level=settings.log_level, log_format=settings.log_format)
        _serve(settings)
    except CannotStart as error:
        _exit(str(error), error.code)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        said = [
            f"TORCHKILN_{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}"
            for item in error.errors()
        ]
        raise CannotStart("; ".join(said), EXIT_SETTINGS) from None


def _serve(settings: Settings) -> None:
    if not settings.redis_url:
        raise CannotStart(
            "TORCHKILN_REDIS_URL is not set; it names the broker, redis://…", EXIT_SETTINGS
        )
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    container = Container(settings, tracing=tracing_of(settings, "torchkiln-api"))
    try:
        check_database(container)
        check_exposure(container)
        _warn_of_broker(container)
        check_grpc_port(settings)
        sock = listen(settings.host, settings.port)
        app, state = create_app(container)
        fast = settings.fast_path and settings.serves
        server = Server(uvicorn_config(app, state if fast else None), state)
        log.info("api_starting", host=settings.host, port=sock.getsockname()[1], pid=os.getpid())
        _run(server, sock)
    finally:
        container.close()
    log.info("api_stopped")


def _run(server: Server, sock: socket.socket) -> None:
    """Serve until a signal. uvicorn passes each signal on to the handler that was there before
    once it is done; the default one would end the process before it has closed anything."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.stop_soon)
    server.run([sock])


def uvicorn_config(app: object, fast: State | None) -> lean_uvicorn.Config:
    """`fast`: what inference is answered with before the application is asked; None: not so."""
    protocol = partial(KilnProtocol, fast=None if fast is None else _fast(fast))
    return lean_uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType] - an ASGI callable in Starlette's types
        loop="uvloop",
        http=protocol,  # pyright: ignore[reportArgumentType] - makes what its class would make
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here depends on who the client is by its address
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        backlog=BACKLOG,
    )


def _fast(state: State) -> FastInfer:
    return TracedInfer(state) if state.container.tracing.on else FastInfer(state)


def check_database(container: Container, *, pause_s: float = DATABASE_PAUSE_S) -> None:
    """Wait a little for the database; raise `CannotStart` if it does not come, or is not ours."""
    for left in reversed(range(DATABASE_TRIES)):
        try:
            container.db.ping()
            break
        except Unavailable as error:
            if not left:
                raise CannotStart(
                    f"the database does not answer ({_cause(error)}); check TORCHKILN_DATABASE_URL",
                    EXIT_DATABASE,
                ) from None
            time.sleep(pause_s)
    if not migrate.is_current(container.db):
        raise CannotStart(
            "the database lacks the present schema; run `python -m services.manage migrate`",
            EXIT_DATABASE,
        )


def _cause(error: Unavailable) -> str:
    """The driver's first line, which names host and port but no password."""
    cause = getattr(error.__cause__, "orig", None) or error.__cause__ or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def check_exposure(container: Container) -> None:
    """The rule of the contract: beyond loopback only with a key, unless told otherwise."""
    settings = container.settings
    if settings.insecure or is_loopback(settings.host) or container.keys.any():
        return
    raise CannotStart(
        f"refusing to listen on {settings.host} without an API key: anybody who reaches it could "
        "train and delete. Make a key with `torchkiln keys create NAME`, listen on 127.0.0.1, or "
        "set TORCHKILN_INSECURE=1 if the network is trusted",
        EXIT_SETTINGS,
    )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _warn_of_broker(container: Container) -> None:
    """Without the broker jobs are accepted and wait; `/readyz` says so."""
    try:
        container.queue.ping()
    except ServiceError as error:
        log.warning("broker_unreachable", reason=error.detail)


def check_grpc_port(settings: Settings) -> None:
    """gRPC binds its port itself, in the event loop; what keeps it from that is said here."""
    if settings.grpc_port == settings.port:
        raise CannotStart(
            f"TORCHKILN_GRPC_PORT: expected another port than TORCHKILN_PORT, got {settings.port}",
            EXIT_SETTINGS,
        )
    if settings.grpc_port:
        listen(settings.host, settings.grpc_port, setting="TORCHKILN_GRPC_PORT").close()


def listen(host: str, port: int, *, setting: str = "TORCHKILN_PORT") -> socket.socket:
    """A listening socket, which other API processes of the same user may share.

    The kernel spreads new connections over all that listen. A program that does not share makes
    this fail with `CannotStart`.
    """
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
            f"cannot listen on {host} port {port}: {error.strerror or error}; "
            f"set TORCHKILN_HOST and {setting} to an address that is free",
            EXIT_ADDRESS,
        ) from None
    sock.set_inheritable(True)
    return sock


def _exit(message: str, code: int) -> NoReturn:
    print(f"torchkiln api: {message}", file=sys.stderr)  # noqa: T201 - for the person who started it
    raise SystemExit(code)


if __name__ == "__main__":
    main()
