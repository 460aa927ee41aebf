"""Trainer processes are ended, with all of their children, whatever happens to whom."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workers.trainers import MakeSpec, Spawn, told
from tests.workers.waiting import group_is_gone, is_gone, wait_for
from workers.messages import encode_spec
from workers.process import Exit, TrainerProcess

SUPERVISOR = """
import sys, time
from tests.workers.trainers import TRAINER
from workers.process import TrainerProcess
from workers.messages import decode_spec
trainer = TrainerProcess(TRAINER)
if len(sys.argv) > 1:
    trainer.start(decode_spec(sys.argv[1].encode()))
    while not trainer.next():
        pass
while not trainer.ready:
    time.sleep(0.01)
print(trainer.pid, flush=True)
time.sleep(600)
"""

PARENT = (
    "import subprocess, sys, time, os;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(child.pid, flush=True); time.sleep(600)"
)


def open_descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_a_process_is_killed_with_its_children(spawn: Spawn) -> None:
    trainer = spawn(sys.executable, "-c", PARENT)
    child = int(_log_line(trainer))
    trainer.kill("because")
    _, end = told(trainer)
    assert (end.returncode, end.why) == (-signal.SIGKILL, "because")
    wait_for(lambda: is_gone(child), "the child to end")


def test_children_do_not_outlive_a_process_that_ends_by_itself(spawn: Spawn) -> None:
    trainer = spawn(sys.executable, "-c", PARENT)
    child = int(_log_line(trainer))
    os.kill(trainer.pid, signal.SIGTERM)
    _, end = told(trainer)
    assert (end.returncode, end.why) == (-signal.SIGTERM, None)
    wait_for(lambda: is_gone(child), "the child to end")


def test_a_deadline_that_passes_ends_it(spawn: Spawn) -> None:
    trainer = spawn(sys.executable, "-c", PARENT)
    _log_line(trainer)
    trainer.kill_at(time.monotonic() + 600, "late")
    trainer.kill_at(time.monotonic(), "lease")
    _, end = told(trainer)
    assert (end.returncode, end.why) == (-signal.SIGKILL, "lease")


def test_a_deadline_that_is_moved_does_not(spawn: Spawn) -> None:
    trainer = spawn(sys.executable, "-c", PARENT)
    trainer.kill_at(time.monotonic() + 0.2, "lease")
    for _ in range(20):
        trainer.kill_at(time.monotonic() + 60, "lease")
    assert not trainer.wait(1.5)


def test_of_several_reasons_to_stop_the_last_one_that_holds_is_told(
    spawn: Spawn, spec: MakeSpec
) -> None:
    trainer = spawn(sys.executable, "-c", "import sys\nfor line in sys.stdin: print(line)")
    trainer.control("release")
    trainer.start(spec("count"))
    trainer.control("pause")
    trainer.control("pause")
    for reason in ("pause", "release", "pause"):
        trainer.withdraw(reason)
    trainer.control("cancel")
    heard = [json.loads(_log_line(trainer)) for _ in range(5)]
    assert heard[0]["kind"] == "train", "the work comes first"
    assert [control["control"] for control in heard[1:]] == [
        "release",
        "pause",
        "continue",
        "cancel",
    ]


def test_what_is_said_to_a_process_that_has_ended_is_said_to_nobody(
    spawn: Spawn, spec: MakeSpec
) -> None:
    trainer = spawn(sys.executable, "-c", "raise SystemExit(3)")
    assert trainer.wait(60)
    trainer.start(spec("count"))
    trainer.control("cancel")
    trainer.kill("late")
    assert trainer.exit == Exit(3, None, "")


def test_a_program_that_is_not_there_is_an_error_at_once() -> None:
    before = open_descriptors()
    with pytest.raises(FileNotFoundError):
        TrainerProcess(["/nowhere/python"])
    assert open_descriptors() == before


def test_nothing_of_it_is_left_in_this_process(spawn: Spawn) -> None:
    spawn(sys.executable, "-c", "pass").wait(60)
    before = open_descriptors()
    for _ in range(3):
        assert spawn(sys.executable, "-c", "pass").wait(60)
    assert open_descriptors() == before


@pytest.mark.parametrize("busy", [True, False], ids=["busy", "idle"])
def test_a_trainer_ends_when_its_supervisor_is_killed(spec: MakeSpec, *, busy: bool) -> None:
    work = [encode_spec(spec("count", epochs=100_000)).decode()] if busy else []
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, *work], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    trainer = int(supervisor.stdout.readline())
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    wait_for(lambda: group_is_gone(trainer), "the trainer to end")


def test_a_trainer_gets_no_settings_of_the_service(
    spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHKILN_DATABASE_URL", "postgresql://secret@host/db")
    trainer = spawn(sys.executable, "-c", "import os; print(sorted(os.environ))")
    messages, _ = told(trainer)
    assert "PATH" in messages[0]["message"]
    assert "TORCHKILN" not in messages[0]["message"]


def test_a_trainer_whose_messages_nobody_takes_has_to_wait(spawn: Spawn) -> None:
    flood = (
        "import os, sys\n"
        "fd = int(sys.argv[2])\n"
        'for n in range(200_000): os.write(fd, b\'{"type": "log", "n": %d}\\n\' % n)\n'
    )
    trainer = spawn(sys.executable, "-c", flood)
    seen = [trainer.next(60)]
    assert not trainer.wait(1), "it had room for everything"
    while not isinstance(seen[-1], Exit):
        seen.append(trainer.next(60))
    assert [m["n"] for m in seen[:-1]] == [*range(200_000)]  # type: ignore[index]


def test_no_descriptor_of_ours_is_open_in_it(spawn: Spawn, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        trainer = spawn(
            sys.executable, "-c", "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))"
        )
        messages, _ = told(trainer)
    # Its standard streams, the descriptor for messages, and the one of the listing itself.
    assert messages[0]["message"].count(",") == 4


def _log_line(trainer: TrainerProcess) -> str:
    message = trainer.next(60)
    assert message is not None
    assert not isinstance(message, Exit)
    return message["message"]
