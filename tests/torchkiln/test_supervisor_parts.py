"""Logs, restarts, ports and locks by themselves."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from torchkiln.errors import CannotRun
from torchkiln.supervisor import logs
from torchkiln.supervisor.lock import DataDirLock, LockFile
from torchkiln.supervisor.logs import Follower
from torchkiln.supervisor.options import address
from torchkiln.supervisor.ports import free_port, reserve
from torchkiln.supervisor.restarts import FIRST_BACKOFF_S, LONGEST_BACKOFF_S, STEADY_S, Restarts
from torchkiln.supervisor.side_ports import DASHBOARD, GRPC, SidePort


def test_pauses_grow_while_it_dies_young() -> None:
    restarts = Restarts()
    pauses = [restarts.plan(0.0, lived_s=0.1) for _ in range(10)]
    assert pauses[:3] == [FIRST_BACKOFF_S, FIRST_BACKOFF_S * 2, FIRST_BACKOFF_S * 4]
    assert pauses[-1] == LONGEST_BACKOFF_S
    assert restarts.plan(0.0, lived_s=STEADY_S) == FIRST_BACKOFF_S


def test_restart_is_due_after_the_pause() -> None:
    restarts = Restarts()
    assert not restarts.planned
    restarts.plan(100.0, lived_s=0)
    assert restarts.planned
    assert not restarts.due(100.0)
    assert restarts.due(100.0 + FIRST_BACKOFF_S)
    restarts.begun()
    assert not restarts.planned


def test_logs_rotate_when_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "ROTATE_BYTES", 4)
    log = tmp_path / "api.log"
    logs.rotate(log)
    for text in ("1", "2222", "3333", "4444", "5555"):
        log.write_text(text)
        logs.rotate(log)
    assert not log.exists()
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"api.log.1": "5555", "api.log.2": "4444", "api.log.3": "3333"}


def test_tail_is_of_this_run(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    assert logs.tail(log) == []
    log.write_text("before\n")
    since = log.stat().st_size
    with log.open("a") as file:
        file.writelines(f"line {number}\n" for number in range(100))
    assert logs.tail(log, 2) == ["line 98", "line 99"]
    assert logs.tail(log, 200, since=since)[0] == "line 0"


def test_follower_hands_on_whole_lines(tmp_path: Path) -> None:
    said: list[str] = []
    follower = Follower(said.append)
    log = tmp_path / "api.log"
    log.write_text("old\n")
    follower.add(log)
    with log.open("a") as file:
        file.write("new\nhal")
        file.flush()
        follower.pump()
        assert said == ["     api | new"]
        file.write("f\n")
        file.flush()
        follower.pump()
    log.write_text("turned\n")
    follower.pump()
    assert said[1:] == ["     api | half", "     api | turned"]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("kiln.example", "http://kiln.example:80"),
    ],
)
def test_address_is_one_that_answers(host: str, url: str) -> None:
    assert address(host, 80) == url


def test_reserved_port_can_be_shared_but_not_taken() -> None:
    with reserve("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        with pytest.raises(CannotRun, match=f"port {port} on 127.0.0.1 is in use"):
            reserve("127.0.0.1", port)
        with socket.socket() as api:
            api.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            api.bind(("127.0.0.1", port))
            api.listen()
            with socket.create_connection(("127.0.0.1", port)) as caller:
                server, _ = api.accept()
                with server:
                    caller.sendall(b"x")
                    assert server.recv(1) == b"x"


def test_port_of_yesterdays_connections_can_be_reserved() -> None:
    """The side that closes first lingers in TIME_WAIT, which is nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as caller:
            server, _ = listener.accept()
            server.close()
            caller.recv(1)
    with reserve("127.0.0.1", port):
        pass


@pytest.mark.parametrize(("side", "option"), [(GRPC, "grpc"), (DASHBOARD, "dashboard")])
def test_the_ports_beside_that_of_http(side: SidePort, option: str) -> None:
    """As asked for, or off; unasked, the usual one or a free one."""
    assert side.reserve("127.0.0.1", 0, free=False) is None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotRun, match=f"port {port} .*, or give --{option}-port another"):
            side.reserve("127.0.0.1", port, free=False)
    for free in (False, True):
        chosen = side.reserve("127.0.0.1", None, free=free)
        assert chosen is not None
        with chosen:
            other = side.reserve("127.0.0.1", None, free=free)
            assert other is not None
            with other:
                assert other.getsockname()[1] != chosen.getsockname()[1]


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_host_that_is_not_this_machine(host: str) -> None:
    with pytest.raises(CannotRun, match="not an address of this machine"):
        reserve(host, 0)


def test_free_port_prefers_the_remembered_one() -> None:
    port = free_port()
    assert free_port(port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert free_port(port) != port


def test_lock_file_left_behind_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "up.lock").write_text("12345678\n")
    lock = DataDirLock(tmp_path)
    assert lock.acquire() == []
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_lock_is_refused_to_a_second_one(tmp_path: Path) -> None:
    first, second = DataDirLock(tmp_path), DataDirLock(tmp_path)
    first.acquire()
    with pytest.raises(CannotRun, match=rf"pid {os.getpid()}"):
        second.acquire()
    first.release()
    assert second.acquire() == []
    second.release()


def test_lock_on_a_file_that_was_removed_is_taken_anew(tmp_path: Path) -> None:
    """The first owner removes the file between the second one's opening and locking it."""
    path = tmp_path / "lock"
    first, second = LockFile(path), LockFile(path)
    assert first.acquire()
    path.unlink()
    assert second.acquire()
    assert path.exists()
    first.release()
    second.release()
