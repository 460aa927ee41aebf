"""Starting and stopping the process that users run."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest

from api.main import (
    CannotStart,
    check_database,
    check_exposure,
    check_grpc_port,
    is_loopback,
    listen,
)
from services.container import Container
from services.settings import Settings
from tests.api.conftest import ROOT, environment, free_port, wait_for
from tests.services import factories
from tests.services.conftest import RecordingQueue


@pytest.fixture
def data_dir(tmp_path: Path, template: Path) -> Path:
    (tmp_path / "torchkiln.db").write_bytes(template.read_bytes())
    return tmp_path


def start(data_dir: Path, port: int, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env=environment(data_dir, port, **more),
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(data_dir: Path, port: int, **more: str) -> Generator[subprocess.Popen[str]]:
    popen = start(data_dir, port, **more)
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", popen)
        yield popen
    finally:
        popen.kill()
        popen.communicate()


def refusal(data_dir: Path, port: int, **more: str) -> tuple[int, str]:
    """→ the exit code and the last line of a process that does not start."""
    popen = start(data_dir, port, **more)
    _, stderr = popen.communicate(timeout=60)
    assert "Traceback" not in stderr
    return popen.returncode, stderr.strip().splitlines()[-1]


def test_a_port_that_is_taken_is_named(data_dir: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, line = refusal(data_dir, port)
    assert code == 5
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in line
    assert "TORCHKILN_PORT" in line


def test_beyond_loopback_a_key_is_needed(data_dir: Path) -> None:
    code, line = refusal(data_dir, free_port(), TORCHKILN_HOST="0.0.0.0")
    assert code == 2
    assert "refusing to listen on 0.0.0.0 without an API key" in line
    assert "torchkiln keys create" in line


def test_a_database_without_the_schema_is_refused(tmp_path: Path) -> None:
    code, line = refusal(tmp_path, free_port())
    assert code == 4
    assert "services.manage migrate" in line


def test_a_database_that_does_not_answer_is_named_without_its_password(data_dir: Path) -> None:
    url = f"postgresql://user:secret@127.0.0.1:{free_port()}/db"
    code, line = refusal(data_dir, free_port(), TORCHKILN_DATABASE_URL=url)
    assert code == 4
    assert "the database does not answer" in line
    assert "TORCHKILN_DATABASE_URL" in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TORCHKILN_PORT", "x"),
        ("TORCHKILN_PORT", "70000"),
        ("TORCHKILN_LOG_LEVEL", "loud"),
        ("TORCHKILN_REDIS_URL", ""),
    ],
)
def test_a_wrong_setting_is_named(data_dir: Path, name: str, value: str) -> None:
    code, line = refusal(data_dir, free_port(), **{name: value})
    assert code == 2
    assert name in line


def test_it_starts_without_a_broker_says_so_and_ends_in_order(data_dir: Path) -> None:
    """Python's development mode tells of what is left behind."""
    port = free_port()
    grpc_port = str(free_port())
    popen = start(data_dir, port, TORCHKILN_GRPC_PORT=grpc_port, PYTHONDEVMODE="1")
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", popen)
        assert grpc_process(grpc_port) == http_process(port)
        ready = httpx.get(f"http://127.0.0.1:{port}/readyz")
        assert (ready.status_code, ready.json()["failing"]) == (503, ["broker"])
        job = httpx.post(f"http://127.0.0.1:{port}/v1/jobs", json={"pipeline": "diagnostics"})
        assert job.status_code == 202  # the row is the truth; the sweeper wakes a worker later
        title = Path(f"/proc/{popen.pid}/cmdline").read_bytes().rstrip(b"\0")
        assert title.startswith(b"torchkiln: api")
        popen.send_signal(signal.SIGTERM)
        _, stderr = popen.communicate(timeout=30)
    finally:
        popen.kill()
        popen.wait()
    assert popen.returncode == 0
    assert '"broker_unreachable"' in stderr
    assert "Warning: " not in stderr
    assert stderr.strip().splitlines()[-1].count('"api_stopped"') == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_open_streams_do_not_hold_up_the_end(data_dir: Path, number: signal.Signals) -> None:
    container = Container(Settings(data_dir=data_dir), queue=RecordingQueue())
    job_id = factories.running(container).job.id
    container.close()
    port = free_port()
    with running(data_dir, port) as popen:
        url = f"http://127.0.0.1:{port}/v1/jobs/{job_id}/events"
        with httpx.stream("GET", url, headers={"Accept": "text/event-stream"}) as response:
            lines = response.iter_lines()
            next(lines)
            popen.send_signal(number)
            for _ in lines:  # ends, because the server closes it
                pass
        assert popen.wait(30) == 0


def test_processes_share_a_port(data_dir: Path) -> None:
    """That of HTTP, and that of gRPC."""
    port, grpc_port = free_port(), str(free_port())
    more = {"TORCHKILN_GRPC_PORT": grpc_port}
    with running(data_dir, port, **more) as one, running(data_dir, port, **more) as other:
        answered: set[str] = set()
        while len(answered) < 2:  # the kernel spreads connections over both
            answered.add(http_process(port))
        spoken: set[str] = set()
        while len(spoken) < 2:
            spoken.add(grpc_process(grpc_port))
        assert spoken == answered
        one.terminate()
        assert one.wait(30) == 0
        wait_for(f"http://127.0.0.1:{port}/healthz", other)
        assert grpc_process(grpc_port) == http_process(port)


def http_process(port: int) -> str:
    """What tells the process that answers a new connection from others."""
    return httpx.get(f"http://127.0.0.1:{port}/healthz").headers["X-Request-Id"].split("_")[1]


def grpc_process(port: str) -> str:
    alone = (("grpc.use_local_subchannel_pool", 1),)  # a connection of its own
    with grpc.insecure_channel(f"127.0.0.1:{port}", alone) as channel:
        live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        _, call = live.with_call(b"", timeout=30)
        return dict(call.trailing_metadata())["x-request-id"].split("_")[1]


def test_the_port_of_grpc_is_checked_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="expected another port than TORCHKILN_PORT, got 8000"):
        check_grpc_port(Settings(data_dir=tmp_path, grpc_port=8000))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Settings(data_dir=tmp_path, grpc_port=other.getsockname()[1])
        with pytest.raises(CannotStart, match="set TORCHKILN_HOST and TORCHKILN_GRPC_PORT"):
            check_grpc_port(taken)
    check_grpc_port(Settings(data_dir=tmp_path))


@pytest.fixture
def container(data_dir: Path) -> Iterator[Container]:
    made = Container(Settings(data_dir=data_dir, host="0.0.0.0"), queue=RecordingQueue())
    yield made
    made.close()


def test_a_key_or_a_word_opens_the_network(container: Container, data_dir: Path) -> None:
    with pytest.raises(CannotStart):
        check_exposure(container)
    insecure = Settings(data_dir=data_dir, host="0.0.0.0", insecure=True)
    trusting = Container(insecure, queue=RecordingQueue())
    check_exposure(trusting)
    trusting.close()
    container.keys.create("k", ["read"])
    check_exposure(container)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True)),
        *(("localhost", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False)),
        *(("example.org", False), ("", False)),
    ],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(CannotStart, match=r"cannot listen on 192\.0\.2\.1 port 80"):
        listen("192.0.2.1", 80)


def test_a_database_is_waited_for_a_little(tmp_path: Path, template: Path) -> None:
    """As when it is started at the same time."""
    container = Container(Settings(data_dir=tmp_path / "later"), queue=RecordingQueue())
    made = tmp_path / "made"
    made.mkdir()
    shutil.copy(template, made)

    timer = threading.Timer(0.05, made.rename, (tmp_path / "later",))
    timer.start()
    try:
        check_database(container, pause_s=0.3)
    finally:
        timer.join()
        container.close()
    missing = Container(Settings(data_dir=tmp_path / "never"), queue=RecordingQueue())
    with pytest.raises(CannotStart, match="does not answer"):
        check_database(missing, pause_s=0)
    missing.close()
