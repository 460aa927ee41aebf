"""`torchkiln up` over real processes: rooms in miniature, and the real broker."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.torchkiln.upstack import Up, alive, until, users

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]

Start = Callable[..., Up]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose rooms are the stand-ins."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(HERE / "standin", root, dirs_exist_ok=True)
    shutil.copytree(REPOSITORY / "torchkiln", root / "torchkiln")
    return root


@pytest.fixture
def start(checkout: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts `up`s; what of them still runs at the end is killed."""
    started: list[Up] = []

    def one(*options: str, data_dir: Path = tmp_path / "data", **env: str) -> Up:
        started.append(Up(checkout, data_dir, *options, **env))
        return started[-1]

    yield one
    for up in started:
        if up.process.poll() is None:
            up.process.kill()
            up.process.wait()
    for up in started:
        until(lambda up=up: not up.users())


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
    assert "torchkiln: broker" in " ".join(up.children())
    assert up.stop() == 0
    assert up.users() == set()
    assert not alive(trainer)
    assert not list(up.data_dir.glob("*.lock"))
    assert up.errors == ""


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
    assert password not in " ".join(up.children())


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


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGHUP])
def test_other_stop_signals(start: Start, kind: signal.Signals) -> None:
    up = start()
    up.ready()
    up.process.send_signal(kind)
    assert up.ended() == 0
    assert up.users() == set()


def test_stop_during_the_start(start: Start) -> None:
    up = start()
    until((up.data_dir / "logs/broker.log").exists)
    assert up.stop() == 0
    assert up.output == ""
    assert up.users() == set()


def test_second_stop_signal_kills(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/stubborn").touch()
    up = start()
    up.ready()
    until((up.data_dir / "trainer.pid").exists)
    trainer = int((up.data_dir / "trainer.pid").read_text())
    up.process.send_signal(signal.SIGTERM)

    def insist() -> bool:
        up.process.send_signal(signal.SIGTERM)
        try:
            return up.process.wait(2) == 0
        except subprocess.TimeoutExpired:
            return False

    until(insist)
    assert up.users() == set()
    assert not alive(trainer)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone sees to this")
def test_killed_up_takes_everything_along_and_the_next_starts(start: Start) -> None:
    up = start()
    up.ready()
    trainer = int((up.data_dir / "trainer.pid").read_text())
    up.process.kill()
    up.process.wait()
    until(lambda: not up.users(), up.users)
    until(lambda: not alive(trainer))

    again = start()
    again.ready()
    assert again.errors == ""


def test_orphans_of_a_killed_up_are_stopped(start: Start, tmp_path: Path) -> None:
    """As on a system whose kernel does not kill them: a process that inherited the lock."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    orphan = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys, time\n"
            "lock = open(sys.argv[1], 'w')\n"
            "fcntl.flock(lock, fcntl.LOCK_EX)\n"
            "print(flush=True)\n"
            "time.sleep(3600)",
            str(data_dir / "children.lock"),
        ],
        stdout=subprocess.PIPE,
    )
    with orphan:
        assert orphan.stdout
        orphan.stdout.readline()
        up = start()
        up.ready()
        assert orphan.wait() == -signal.SIGTERM
    assert f"left behind: [{orphan.pid}]" in up.errors
    assert users(data_dir)


@pytest.mark.parametrize(
    ("obstacle", "complaint", "said"),
    [
        ("api-exits", "api stopped with status 1 before", "the api says why"),
        ("migration-fails", "the migration of the database stopped with status 1", "no such table"),
    ],
)
def test_failed_start_shows_the_log(
    start: Start, tmp_path: Path, obstacle: str, complaint: str, said: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / obstacle).touch()
    up = start()
    assert up.ended() == 1
    assert complaint in up.errors
    assert said in up.errors
    assert str(up.data_dir / "logs") in up.errors
    assert "Traceback" not in up.errors
    assert up.output == ""
    assert up.users() == set()


def test_verbose_shows_the_logs(start: Start) -> None:
    up = start("--verbose")
    up.ready()
    until(lambda: "worker | the worker works" in up.errors, lambda: up.errors)
    assert "migrate | manage migrate None" in up.errors
