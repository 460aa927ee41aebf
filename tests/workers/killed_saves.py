"""`python -m tests.workers.killed_saves DIRECTORY`: saves of a checkpoint, each killed at a point.

One process for all of them, which forks for each: no torch is in it, and no database is open. Each
has a job and a directory of its own, in the database that `TORCHKILN_DATABASE_URL` names, or in one
in that directory. What the next attempt finds after each is written to `told.json`.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import event

from models.files import sha256, write_atomically
from services.attempt_files import NewCheckpoint
from services.container import Container
from services.db import migrate
from services.job_request import NewJob
from services.job_state import Outcome
from services.queue import QueueName
from services.settings import Settings
from workers import resume_point

CHANGES = {
    "posix": {"mkdir", "open", "fsync", "chmod", "replace", "link", "unlink"},
    "_io": {"write", "flush"},
    "sqlite3": {"execute", "commit", "rollback"},
}
"""What changes a file, by the modules of C that do it. Between two of these nothing does."""

Tell = Callable[[str], None]
Prepare = Callable[[Container, Tell], None]


class NoQueue:
    """Nobody is woken."""

    def wake_job(self, job: Any) -> None: ...

    def wake_ranks(self, job: Any, device: str) -> None: ...

    def wake_benchmark(self, benchmark: Any) -> None: ...

    def waiting(self) -> dict[QueueName, int]:
        return {"cpu": 0, "gpu": 0}

    def ping(self) -> None: ...

    def close(self) -> None: ...


def opened(directory: Path) -> Container:
    return Container(Settings(data_dir=directory, tune_budget_s=0), queue=NoQueue())


def save(container: Container, claim: Any, source: Path, step: int) -> None:
    """What a trainer and its supervisor do: the file, then its copy in storage, then its row."""
    path = container.settings.data_dir / "work" / source.name
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, source.read_bytes())
    new = NewCheckpoint(path, step, step, {}, False, path.stat().st_size, sha256(path))
    assert container.attempt_files.add_checkpoint(claim, new) is not None


def change(function: Any) -> str | None:
    """The name of a function of C that may change a file."""
    owner = getattr(function, "__self__", None)
    module = getattr(function, "__module__", None) or type(owner).__module__
    found = function.__name__ in CHANGES.get(module, ())
    return f"{module}.{function.__name__}" if found else None


def kill_at(point: int, container: Container, tell: Tell) -> None:
    """SIGKILL this process when it is about to make its nth change."""
    left = point

    def count(name: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            sys.setprofile(None)
            tell(name)
            os.kill(os.getpid(), signal.SIGKILL)

    def look(_frame: Any, kind: str, function: Any) -> None:
        if kind == "c_call" and (name := change(function)) is not None:
            count(name)

    if not container.db.is_sqlite:
        listen(container, count)
    sys.setprofile(look)


def listen(container: Container, count: Callable[[str], None]) -> None:
    """Count what is asked of a server, which is no call of a function of C that can be seen."""
    engine = container.db.engine
    event.listen(engine, "before_cursor_execute", lambda *_: count("server.execute"))
    event.listen(engine, "commit", lambda _: count("server.commit"))


def kill_at_byte(size: int, _container: Container, tell: Tell) -> None:
    """Have the system end this process when a file of its grows beyond `size`."""
    tell(f"byte {size}")
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def saving(place: Path, source: Path, claim: Any, prepare: Callable[[Container], None]) -> NoReturn:
    container = opened(place)
    container.db.ping()  # what its first use does is done
    prepare(container)
    save(container, claim, source, 2)
    sys.setprofile(None)
    os._exit(0)


def attempt(template: Path, place: Path, prepare: Prepare) -> dict[str, Any]:
    """Save the second checkpoint in a process that is killed. → what the next attempt finds."""
    shutil.copytree(template, place)
    claim = begin(place)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        killing = partial(prepare, tell=lambda name: os.write(writing, name.encode()))
        saving(place, place.parent / "second.pt", claim, killing)
    os.close(writing)
    with os.fdopen(reading) as said:
        call = said.read()
    _, status = os.waitpid(pid, 0)
    return {"call": call, "killed": os.WIFSIGNALED(status), **left(place, claim)}


def left(place: Path, claim: Any) -> dict[str, Any]:
    container = opened(place)
    try:
        assert container.attempts.finish(claim, Outcome.LOST, code="lost") == "queued"
        following = container.attempts.claim(claim.job.id, "worker-2")
        assert following is not None
        found = resume_point.find(following.resume_points, container.storage.local_path)
        assert found.point is not None
        return {
            "step": found.point.step,
            "path": str(found.path),
            "rows": len(following.resume_points),
            "damaged": [problem for _, problem in found.damaged],
        }
    finally:
        container.close()


def begin(place: Path) -> Any:
    """A job in hand whose first checkpoint is committed. → its claim."""
    container = opened(place)
    job_id = container.jobs.submit(NewJob("binary-classification"))[0].job.id
    claim = container.attempts.claim(job_id, "worker-1")
    save(container, claim, place.parent / "first.pt", 1)
    container.close()
    return claim


def prepared(template: Path) -> None:
    """A data directory, and a database with the present schema."""
    template.mkdir()
    container = opened(template)
    migrate.upgrade(container.db)
    container.close()


def main() -> None:
    root = Path(sys.argv[1])
    template = root / "template"
    prepared(template)
    size = (root / "second.pt").stat().st_size
    told = [
        attempt(template, root / f"byte-{at}", partial(kill_at_byte, at))
        for at in (0, size // 2, size - 1)
    ]
    while told[-1]["killed"]:
        point = len(told) - 2
        told.append(attempt(template, root / str(point), partial(kill_at, point)))
    (root / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
