"""`torchkiln up`: start the embedded stack, keep it running, and leave nothing behind."""

from __future__ import annotations

import signal
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, suppress

import httpx

from torchkiln.errors import CannotRun
from torchkiln.supervisor import processes
from torchkiln.supervisor.broker import Broker
from torchkiln.supervisor.lock import DataDirLock
from torchkiln.supervisor.logs import Follower
from torchkiln.supervisor.options import UpOptions, address
from torchkiln.supervisor.ports import reserve
from torchkiln.supervisor.processes import Child, Program
from torchkiln.supervisor.restarts import Restarts
from torchkiln.supervisor.side_ports import DASHBOARD, GRPC, SidePort
from torchkiln.supervisor.signals import Signals
from torchkiln.supervisor.stack import Stack

START_S = 180.0
"""How long each step of the start may take, imports on a cold disk included."""
TICK_S = 0.25
ORPHANS_S = 10.0


class Stopped(Exception):
    """Somebody asked `up` to stop; how it leaves the middle of a start."""


class Supervisor:
    """Runs the stack until a stop signal comes, in the main thread of a process of its own:
    every child of that process is taken for the stack's, and stopped with it.

    `announce` gets the ready line and nothing else; `say` gets what people may want to know.
    """

    def __init__(
        self,
        options: UpOptions,
        *,
        announce: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        self._options = options
        self._announce = announce
        self._say = say
        self._signals = Signals()
        self._lock = DataDirLock(options.data_dir)
        self._follower = Follower(say)
        self._children: list[Child] = []
        """In the order of their start, which is the reverse of that of their end."""
        self._restarts: defaultdict[str, Restarts] = defaultdict(Restarts)

    def run(self) -> None:
        """Returns after a stop that was asked for. Raises `CannotRun` where it cannot start."""
        options = self._options
        with self._signals, ExitStack() as cleanup:
            processes.adopt_orphans()
            self._make_directories()
            orphans = self._lock.acquire()
            cleanup.callback(self._lock.release)
            if orphans:
                self._say(f"stopped what an earlier `torchkiln up` left behind: {orphans}")
            held = cleanup.enter_context(reserve(self._options.host, self._options.port))
            port: int = held.getsockname()[1]
            grpc_port = self._reserve_side(cleanup, GRPC)
            page_port = self._reserve_side(cleanup, DASHBOARD)
            cleanup.callback(self._stop)
            with suppress(Stopped):
                self._start(port, grpc_port, page_port)
                if grpc_port:
                    at = address(self._options.host, grpc_port).removeprefix("http://")
                    self._say(f"gRPC is at {at}")
                if page_port:
                    self._say(f"the web page is at {address(options.dashboard_host, page_port)}")
                self._announce(f"torchkiln is ready at {address(self._options.host, port)}")
                self._watch()

    def _make_directories(self) -> None:
        try:
            self._options.logs_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotRun(f"--data-dir {self._options.data_dir}: {error}") from error

    def _reserve_side(self, cleanup: ExitStack, side: SidePort) -> int:
        """→ the port, which is kept until `cleanup`; 0 where it is off."""
        options = self._options
        host, wanted = options.host, options.grpc_port
        if side is DASHBOARD:
            host, wanted = options.dashboard_host, options.dashboard_port
        held = side.reserve(host, wanted, free=options.port == 0)
        return 0 if held is None else cleanup.enter_context(held).getsockname()[1]

    def _start(self, port: int, grpc_port: int, page_port: int) -> None:
        redis_url = self._options.redis_url or self._start_broker()
        stack = Stack(
            self._options,
            port=port,
            grpc_port=grpc_port,
            dashboard_port=page_port,
            redis_url=redis_url,
        )
        self._migrate(stack.migration())
        apis = [self._launch(program) for program in stack.apis()]
        self._launch(stack.worker())
        url = address(self._options.host, port)
        self._until(lambda: _ready(url), apis[0])
        if page_port:  # last, and not waited for: the service can do without it
            self._launch(stack.dashboard())

    def _start_broker(self) -> str:
        broker = Broker(self._options.data_dir, self._options.logs_dir / "broker.log")
        child = self._launch(broker.program())
        try:
            self._until(broker.ping, child)
        except CannotRun:
            aside = broker.set_aside_damaged(child)
            if aside is None:
                raise
            self._say(f"the broker could not read its files; they are in {aside} now")
            self._begin(child)
            self._until(broker.ping, child)
        return broker.url

    def _migrate(self, program: Program) -> None:
        """Bring the database to the present schema before anybody uses it."""
        child = self._launch(program)
        deadline = time.monotonic() + START_S
        while child.pid is not None and time.monotonic() < deadline:
            self._tick(TICK_S)
        if child.status != 0:
            end = "has not finished" if child.pid is not None else child.end()
            raise _failure(f"the migration of the database {end}", child)
        self._children.remove(child)

    def _launch(self, program: Program) -> Child:
        child = Child(program)
        self._follower.add(program.log)
        self._begin(child)
        self._children.append(child)
        return child

    def _begin(self, child: Child) -> None:
        try:
            child.start(self._lock.inherited_fd)
        except OSError as error:
            raise CannotRun(f"cannot start {child.name}: {error}") from error

    def _until(self, problem: Callable[[], str | None], child: Child) -> None:
        """Wait until `child` has no problem. Raises `CannotRun` if it, or another one, dies."""
        deadline = time.monotonic() + START_S
        while (reason := problem()) is not None:
            if time.monotonic() >= deadline:
                raise _failure(f"{child.name} is not ready after {START_S:.0f} s: {reason}", child)
            self._tick(TICK_S)
            for each in self._children:
                if each.pid is None:
                    raise _failure(f"{each.name} {each.end()} before the service was ready", each)

    def _tick(self, seconds: float) -> None:
        """Let time pass, or something happen. Raises `Stopped`."""
        self._signals.wait(seconds)
        processes.reap(self._children)
        if self._options.verbose:
            self._follower.pump()
        if self._signals.stops:
            raise Stopped

    def _watch(self) -> None:
        """Restart what dies, until asked to stop."""
        while True:
            self._tick(TICK_S)
            for child in self._children:
                if child.pid is None:
                    self._revive(child)

    def _revive(self, child: Child) -> None:
        restarts = self._restarts[child.name]
        if not restarts.planned:
            self._plan_restart(child, child.end())
        elif restarts.due(time.monotonic()):
            restarts.begun()
            self._restart(child)

    def _plan_restart(self, child: Child, reason: str) -> None:
        now = time.monotonic()
        pause = self._restarts[child.name].plan(now, lived_s=now - child.started_at)
        self._say(
            f"{child.name} {reason}; starting it again in {pause:g} s (log: {child.program.log})"
        )

    def _restart(self, child: Child) -> None:
        try:
            self._begin(child)
        except CannotRun as error:  # out of memory or processes: for now, perhaps
            child.started_at = time.monotonic()
            self._plan_restart(child, str(error))

    def _stop(self) -> None:
        """Stop the children, the last started first, then whatever else descends from them.

        Asked to stop once more, it kills instead of waiting.
        """
        asked = self._signals.stops

        def impatient() -> bool:
            return self._signals.stops > asked

        for child in reversed(self._children):
            self._stop_child(child, impatient)
        self._stop_strays(impatient)
        if self._options.verbose:
            self._follower.pump()

    def _stop_child(self, child: Child, impatient: Callable[[], bool]) -> None:
        child.signal(signal.SIGTERM)
        deadline = time.monotonic() + child.program.grace_s
        while child.pid is not None:
            if impatient() or time.monotonic() >= deadline:
                child.signal(signal.SIGKILL)
            self._signals.wait(TICK_S)
            processes.reap(self._children)

    def _stop_strays(self, impatient: Callable[[], bool]) -> None:
        """Descendants that left their group, such as trainers, whose supervisor has gone."""
        deadline = time.monotonic() + ORPHANS_S
        processes.kill(processes.descendants_left(), signal.SIGTERM)
        while strays := processes.descendants_left():
            if impatient() or time.monotonic() >= deadline:
                processes.kill(strays, signal.SIGKILL)
            self._signals.wait(TICK_S)
            processes.reap([])


def _ready(url: str) -> str | None:
    """None when `/readyz` says 200, else what it says."""
    try:
        with httpx.Client(trust_env=False, timeout=5.0) as http:
            response = http.get(f"{url}/readyz")
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return None if response.status_code == 200 else f"{response.status_code} {response.text[:500]}"


def _failure(message: str, child: Child) -> CannotRun:
    return CannotRun(message, log=child.program.log, said=child.said())
