"""`torchkiln up` over real processes: rooms in miniature, and the real broker."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.torchkiln.upstack import Start, Up, alive, until
from torchkiln.supervisor.ports import free_port


def test_says_one_line_when_ready_and_leaves_nothing_behind(start: Start) -> None:
    up = start("--job-slots", "3")
    url = up.ready()
    told = httpx.get(url).json()
    trainer = int((up.data_dir / "trainer.pid").read_text())

    assert up.output == f"torchkiln is ready at {url}\n"
    assert told["DATA_DIR"] == str(up.data_dir)
    assert told["PORT"] == url.rpartition(":")[2]
    assert told["JOB_SLOTS"] == "3"
    assert told["DATABASE_URL"] is None
    assert len(up.children("torchkiln: broker")) == 1
    assert up.stop() == 0
    assert up.users() == set()
    assert not alive(trainer)
    assert not list(up.data_dir.glob("*.lock"))
    assert up.errors == f"gRPC is at 127.0.0.1:{told['GRPC_PORT']}\n"


def test_the_web_page_is_beside_the_service(start: Start) -> None:
    port = free_port()
    up = start(TORCHKILN_DASHBOARD_PORT=str(port))
    url = up.ready()
    said = f"the web page is at http://127.0.0.1:{port}\n"
    assert up.errors.endswith(said)
    page = said.split()[-1]
    until(lambda: _answers(page), lambda: up.errors)
    assert httpx.get(page).json() == {
        "URL": url,
        "DASHBOARD_HOST": "127.0.0.1",
        "DASHBOARD_PORT": str(port),
    }
    refused = start(data_dir=up.data_dir.with_name("other"), TORCHKILN_DASHBOARD_PORT=str(port))
    assert refused.ended() == 1
    assert "or give --dashboard-port another number" in refused.errors
    assert up.stop() == 0
    assert up.users() == set()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def test_rooms_do_not_depend_on_where_the_command_is_called(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "api/__main__.py").write_text("raise SystemExit('the wrong api')")
    up = Up(tmp_path, tmp_path / "data", PYTHONPATH=str(checkout))
    try:
        assert httpx.get(up.ready()).json()["cwd"] == str(checkout)
    finally:
        assert up.stop() == 0


def test_broker_is_private(start: Start) -> None:
    up = start()
    redis_url = httpx.URL(httpx.get(up.ready()).json()["REDIS_URL"])
    password, port = redis_url.password, redis_url.port
    assert port

    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100).startswith(b"-NOAUTH")
        connection.sendall(f"AUTH {password}\r\nCONFIG GET appendonly\r\n".encode())
        until(lambda: b"yes" in connection.recv(100))
    for file in ("password", "valkey.conf"):
        assert stat.S_IMODE((up.data_dir / "broker" / file).stat().st_mode) == 0o600
    assert all(password not in line for _, line in up.rows())


def test_broker_keeps_port_password_and_messages(start: Start) -> None:
    up = start()
    first = httpx.get(up.ready()).json()["REDIS_URL"]
    assert redis(first, "SET kept yes") == "+OK"
    up.stop()

    again = start()
    assert httpx.get(again.ready()).json()["REDIS_URL"] == first
    assert redis(first, "GET kept") == "$3"


def test_damaged_messages_are_set_aside(start: Start) -> None:
    up = start()
    up.ready()
    up.stop()
    for file in (up.data_dir / "broker/appendonlydir").glob("*.incr.aof"):
        file.write_bytes(b"this is not what the broker wrote\r\n" * 100)

    again = start()
    again.ready()
    assert "could not read its files" in again.errors
    assert list((up.data_dir / "broker").glob("appendonlydir.damaged-*"))


def redis(url: str, command: str) -> str:
    """The first line that a server answers."""
    parsed = httpx.URL(url)
    with socket.create_connection(("127.0.0.1", parsed.port or 0)) as connection:
        connection.sendall(f"AUTH {parsed.password}\r\n{command}\r\n".encode())
        received = b""
        while received.count(b"\r\n") < 2:
            received += connection.recv(100)
    return received.decode().split("\r\n")[1]


def test_uses_an_existing_redis(start: Start) -> None:
    up = start(TORCHKILN_REDIS_URL="redis://elsewhere:6379/0")
    assert httpx.get(up.ready()).json()["REDIS_URL"] == "redis://elsewhere:6379/0"
    assert not (up.data_dir / "broker").exists()


def test_second_up_on_a_data_directory_is_refused(start: Start) -> None:
    up = start()
    url = up.ready()

    second = start()
    assert second.ended() == 1
    assert f"another `torchkiln up` (pid {up.process.pid}) already runs" in second.errors
    assert "Traceback" not in second.errors
    assert httpx.get(url).status_code == 200


def test_used_port_is_named_before_anything_starts(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = start("--port", str(port))
        assert up.ended() == 1
    assert f"port {port} on 127.0.0.1 is in use" in up.errors
    assert not (tmp_path / "data/broker").exists()


def test_port_is_kept_from_a_second_stack(start: Start, tmp_path: Path) -> None:
    up = start()
    port = up.ready().rpartition(":")[2]
    other = start("--port", port, data_dir=tmp_path / "other")
    assert other.ended() == 1
    assert f"port {port} on 127.0.0.1 is in use" in other.errors


def test_several_apis_share_the_port(start: Start) -> None:
    up = start("--api-workers", "3")
    url = up.ready()
    seen: set[int] = set()
    until(lambda: seen.add(httpx.get(url).json()["pid"]) or len(seen) == 3, lambda: seen)


@pytest.mark.parametrize("words", ["-m api", "-m workers", "torchkiln: broker"])
def test_dead_child_is_started_again(start: Start, words: str) -> None:
    up = start()
    url = up.ready()
    first = up.child(words)
    os.kill(first, signal.SIGKILL)

    until(lambda: up.child(words) != first)
    assert "was ended by SIGKILL; starting it again in 0.5 s" in up.errors
    until(lambda: answers(url))
    assert up.stop() == 0


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_one_room_by_itself(checkout: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "torchkiln", "api", "--port", str(port)]
    env = {**os.environ, "TORCHKILN_DATA_DIR": "data", "TORCHKILN_REDIS_URL": "redis://there"}
    with subprocess.Popen(command, cwd=tmp_path, env=env | {"PYTHONPATH": str(checkout)}) as room:
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(url))
        told = httpx.get(url).json()
        room.terminate()
        assert room.wait() == -signal.SIGTERM
    assert told["pid"] == room.pid
    assert told["DATA_DIR"] == str(tmp_path / "data")
    assert told["REDIS_URL"] == "redis://there"
