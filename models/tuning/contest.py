"""One load's contest: the default way to load, and others that may take its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from models import host
from models.backends.base import Options, Runner
from models.errors import ExportFailed
from models.rows import synthetic, take
from models.signature import Signature
from models.tuning.duels import Clock, Paces, answers, duel, same, wins
from models.tuning.notes import Choice

SMALL_S = 0.001
"""A call that takes less keeps to one thread: more are hardly faster, and belong to others."""
SLOW_SHARE = 1 / 8
"""A call that takes more of the budget is not measured: its library knows how many threads help."""
LARGER, LARGER_SHARE = (32, 8), 1 / 20
"""The larger batch to measure with: the first that takes no more than this share of the budget."""

Load = Callable[[Choice], Runner]


class Contest:
    """Begins with the default on one thread. Raises what loading that raises."""

    def __init__(
        self, load: Load, signature: Signature, directory: Path, *, budget_s: float, clock: Clock
    ) -> None:
        self.choice = Choice()
        """How the best so far was loaded, which is `runner`."""
        self.tried: list[dict[str, Any]] = []
        """What became of the others."""
        self._load, self._clock, self._budget_s = load, clock, budget_s
        self._rows = synthetic(signature, LARGER[0], seed=0, directory=directory)
        self._batches = {1: take(self._rows, 0, 1)}
        started = clock()
        self.runner = load(self.choice)
        self._load_s = clock() - started
        self._until = clock() + budget_s

    def run(self, options: Sequence[Options], *, compiled: Sequence[Options] = ()) -> None:
        """Whoever wins a duel meets the next. `compiled` were asked for, and may take long."""
        self.runner.run(self._batches[1])
        if self._time(1) > SLOW_SHARE * self._budget_s:
            self._replace(Choice(None))
            return
        paces = self._measure()
        slow = max(paces.seconds.values()) > SMALL_S
        coming = [Choice(threads) for threads in _thread_counts() if slow]
        for index, choice in enumerate(coming):
            self._challenge(choice, paces, len(options) + 1, anyway=not index)
        for index, option in enumerate(options):
            self._challenge(Choice(self.choice.threads, option), paces, len(options) - index)
        for option in compiled:
            self._challenge(Choice(self.choice.threads, option), paces, 1, anyway=True)

    def _replace(self, choice: Choice) -> None:
        self.runner.close()
        self.runner, self.choice = self._load(choice), choice

    def _measure(self) -> Paces:
        """Warm the default up, and decide how large a batch can be measured with."""
        one = self._time(1)
        for size in LARGER:
            if size * one <= LARGER_SHARE * self._budget_s:
                self._batches[size] = take(self._rows, 0, size)
                break
        self._expected = answers(self.runner, self._batches)
        return Paces({size: self._time(size) for size in self._batches})

    def _time(self, size: int) -> float:
        started = self._clock()
        self.runner.run(self._batches[size])
        return self._clock() - started

    def _challenge(self, choice: Choice, paces: Paces, left: int, *, anyway: bool = False) -> None:
        """A duel with the best, if there is time for one, or `anyway`; `left` are still to come,
        this one included."""
        found = {**choice.to_json(), "outcome": "no time left"}
        self.tried.append(found)
        if self._clock() + self._load_s + paces.duel_s > self._until and not anyway:
            return
        try:
            challenger = self._load(choice)
        except ExportFailed as error:
            found["outcome"] = str(error)
            return
        loser = challenger
        try:
            until = self._clock() + (self._until - self._clock()) / left
            if self._is_beaten_by(challenger, paces, until, found):
                loser, self.runner, self.choice = self.runner, challenger, choice
        finally:
            loser.close()

    def _is_beaten_by(
        self, challenger: Runner, paces: Paces, until: float, found: dict[str, Any]
    ) -> bool:
        """Notes in `found` how it went."""
        if not same(self._expected, answers(challenger, self._batches)):
            found["outcome"] = "other answers"
            return False
        shares = duel(self.runner, challenger, self._batches, paces, clock=self._clock, until=until)
        found["time"] = {str(size): round(share, 3) for size, share in shares.items()}
        won = wins(list(shares.values()))
        found["outcome"] = "faster" if won else "not faster"
        return won


def _thread_counts() -> list[int]:
    """All cores, and half of them."""
    cores = host.cores()
    return [count for count in dict.fromkeys((cores, cores // 2)) if count > 1]
