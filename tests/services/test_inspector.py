"""The process that looks into models: it comes when it is asked, and never stays behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from models.errors import LayerNotFound
from services import inspector as module
from services.errors import Busy, Unavailable
from services.inspector import Inspector
from tests.support.inspections import asked, inspector
from tests.workers.waiting import is_gone, wait_for

ROOT = Path(__file__).parents[2]


async def ended(pid: int) -> None:
    await asyncio.to_thread(wait_for, lambda: is_gone(pid), "the end of the process")


@asynccontextmanager
async def running(**options: float) -> AsyncGenerator[Inspector]:
    made = inspector(**options)
    try:
        yield made
    finally:
        made.close()


async def pid_of(made: Inspector) -> int:
    return int(await made.inspect(asked()))


def test_one_process_answers_and_another_follows_when_it_dies() -> None:
    async def check() -> None:
        async with running() as made:
            first = await pid_of(made)
            title = Path(f"/proc/{first}/cmdline").read_bytes().rstrip(b"\0")
            assert title == b"torchkiln: inspector"
            assert first != os.getpid()
            with pytest.raises(LayerNotFound) as caught:
                await made.inspect(asked("missing"))
            assert (caught.value.code, caught.value.field) == ("layer_not_found", "layer")
            assert await pid_of(made) == first
            with pytest.raises(Unavailable, match="has died"):
                await made.inspect(asked("dies"))
            second = await pid_of(made)
            assert second != first
        await ended(second)
        with pytest.raises(Unavailable, match="is stopping"):
            await pid_of(made)

    asyncio.run(check())


def test_what_takes_too_long_is_ended() -> None:
    async def check() -> None:
        async with running(limit_s=1.0) as made:
            slow, waited = await asyncio.gather(
                made.inspect(asked("hangs")), pid_of(made), return_exceptions=True
            )
            assert isinstance(slow, Unavailable)
            assert slow.detail == "the inspection took longer than 1 s"
            assert isinstance(waited, int)  # whoever waited got a new process

    asyncio.run(check())


def test_nobody_waits_behind_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)

    async def check() -> None:
        async with running() as made:
            answers = await asyncio.gather(
                *[pid_of(made) for _ in range(3)], return_exceptions=True
            )
            assert [type(answer) for answer in answers] == [int, int, Busy]

    asyncio.run(check())


def test_a_process_that_is_not_asked_ends() -> None:
    async def check() -> None:
        async with running(idle_s=0.05) as made:
            await ended(await pid_of(made))
            await ended(await pid_of(made))  # there is another one then

    asyncio.run(check())


def test_it_ends_with_its_parent_though_it_is_busy() -> None:
    popen = subprocess.Popen(
        [sys.executable, "-m", "tests.support.inspections"], cwd=ROOT, stdout=subprocess.PIPE
    )
    with popen:
        assert popen.stdout is not None
        pid = int(popen.stdout.readline())
        time.sleep(0.2)  # it has most likely begun to hang by then
        assert not is_gone(pid)
        popen.kill()
    asyncio.run(ended(pid))
