"""Opens a backend the way that is fastest on this host. What goes wrong with that costs time, never
the model: then it is opened the default way."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from models.backends.base import Backend, Options, Runner
from models.rows import synthetic
from models.signature import Signature
from models.tuning.contest import SMALL_S, Contest
from models.tuning.duels import Clock
from models.tuning.notes import Choice, Key, Notes, key_of

PATIENCE = 10
"""Times the budget that a process waits for others of its host that measure."""


@dataclass(frozen=True)
class Opened:
    runner: Runner
    choice: Choice
    how: str
    """`default`, `remembered` or `measured`."""
    tried: Sequence[Mapping[str, Any]] = ()
    problem: str | None = None
    """Why nothing could be measured or remembered; None where all went well."""


@dataclass(frozen=True)
class Tuner:
    directory: Path
    """Where this host keeps what it found."""
    budget_s: float = 1.0
    """How long a load may measure; 0 loads the default way."""
    compiles: bool = False
    """Whether code may be compiled for this host, which takes a minute once."""
    clock: Clock = time.perf_counter
    _notes: Notes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_notes", Notes(self.directory))

    def open(
        self, backend: Backend, directory: Path, signature: Signature, *, measure: bool = True
    ) -> Opened:
        """Load `backend`'s file in `directory`. Without `measure`, as this host remembers or the
        default way, whichever takes no time. Raises `ExportFailed` as `Backend.load` does."""
        if self.budget_s <= 0:
            return self._default(backend, directory, signature)
        try:
            return self._tuned(backend, directory, signature, measure)
        except Exception as error:  # no room on the disk, a damaged package, a library's own ideas
            problem = f"{type(error).__name__}: {error}"[:300]
        return self._default(backend, directory, signature, problem)

    def _tuned(
        self, backend: Backend, directory: Path, signature: Signature, measure: bool
    ) -> Opened:
        key = key_of(backend, directory)
        plain = backend.choices(signature)
        compiled = self._compiled(backend, signature, key, plain)
        load = partial(_load, backend, directory, signature)
        if choice := self._notes.find(key, (*plain, *compiled)):
            return Opened(load(choice), choice, "remembered")
        if not measure:
            return self._default(backend, directory, signature)
        with self._notes.alone(PATIENCE * self.budget_s) as alone:
            if choice := self._notes.find(key, (*plain, *compiled)):  # another measured meanwhile
                return Opened(load(choice), choice, "remembered")
            if not alone:
                busy = "other processes of this host are measuring"
                return self._default(backend, directory, signature, busy)
            contest = Contest(load, signature, directory, budget_s=self.budget_s, clock=self.clock)
            try:
                contest.run(plain, compiled=compiled)
                self._notes.keep(key, contest.choice, contest.tried)
            except BaseException:
                contest.runner.close()
                raise
        return Opened(contest.runner, contest.choice, "measured", contest.tried)

    def _compiled(
        self, backend: Backend, signature: Signature, key: Key, plain: Sequence[Options]
    ) -> list[Options]:
        if not self.compiles:
            return []
        kept = self._notes.file(key, ".pt2")
        every = backend.choices(signature, compiled=kept)
        return [options for options in every if options not in plain]

    def _default(
        self, backend: Backend, directory: Path, signature: Signature, problem: str | None = None
    ) -> Opened:
        """A small model runs on one thread, which is as fast and leaves the other cores to others;
        one that takes longer gets as many as its library finds good."""
        choice = Choice()
        runner = _load(backend, directory, signature, choice)
        row = synthetic(signature, 1, seed=0, directory=directory)
        runner.run(row)
        started = self.clock()
        runner.run(row)
        if self.clock() - started > SMALL_S:
            runner.close()
            choice = Choice(None)
            runner = _load(backend, directory, signature, choice)
        return Opened(runner, choice, "default", problem=problem)


def _load(backend: Backend, directory: Path, signature: Signature, choice: Choice) -> Runner:
    return backend.load(directory, signature, threads=choice.threads, options=choice.options)
