"""How an attempt has ended, by its trainer's last word or by the end of the process."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from services.claims import Claim
from services.job_state import Outcome
from services.seats import Loss
from services.settings import Settings
from services.waiting import fewest_hosts
from workers.gathering import PEER_LOST, TOO_FEW
from workers.keeper import KILL
from workers.limits import STALL, TIMEOUT
from workers.messages import Message
from workers.process import Exit, how_it_ended
from workers.runs import RELEASE

INTERRUPTED = {
    "cancel": Outcome.CANCELLED,
    "pause": Outcome.PAUSED,
    "release": Outcome.RELEASED,
    TIMEOUT: Outcome.TIMEOUT,
}
"""Of a run that has stopped at a checkpoint, by why it was asked to."""
KILLED = {
    KILL: Outcome.CANCELLED,
    RELEASE: Outcome.RELEASED,
    STALL: Outcome.STALLED,
    TIMEOUT: Outcome.TIMEOUT,
}
"""Of one that was not waited for."""
RETRIED = {"oom": Outcome.OOM, "lost": Outcome.LOST, "checkpoint_corrupt": Outcome.LOST}
"""Of one that says itself what another attempt may not share: `lost` is one of its ranks."""

TOO_FEW_HOSTS = "too_few_hosts"
"""The code of an attempt that found no others to begin with."""
BAD_ALLOC = "std::bad_alloc"
"""What a process says that C++ has ended because it got no memory, where nobody could catch it."""


@dataclass(frozen=True)
class Ending:
    outcome: Outcome
    code: str = ""
    message: str = ""


class Endings:
    """What the ends of one attempt mean."""

    def __init__(self, claim: Claim, settings: Settings) -> None:
        self._claim = claim
        self._settings = settings

    def said(self, last: Message, *, oom_killed: bool) -> Ending:
        """Of the last word of a run that did not end well."""
        if last["type"] == "interrupted":
            return self._of(INTERRUPTED[last["reason"]])
        code = "lost" if last["code"] == PEER_LOST else last["code"]
        if code == "lost" and oom_killed:
            code = "oom"
        return Ending(RETRIED.get(code, Outcome.ERROR), code, last["message"])

    def elsewhere(self, loss: Loss) -> Ending:
        """Of a run that has lost another host."""
        code = "lost" if loss.code == PEER_LOST else loss.code
        return Ending(RETRIED.get(code, Outcome.ERROR), code, loss.message)

    def untold(self, end: Exit, *, oom_killed: bool) -> Ending:
        """Of a process that ended without a last word."""
        if end.why == TOO_FEW:
            return Ending(Outcome.RELEASED, TOO_FEW_HOSTS, self._too_few())
        if end.why in KILLED:
            return self._of(KILLED[end.why])
        how = f"the trainer {how_it_ended(end.returncode)}"
        if (oom_killed and end.returncode == -signal.SIGKILL) or BAD_ALLOC in end.stderr:
            return Ending(Outcome.OOM, "oom", f"{how}, for want of memory")
        return Ending(Outcome.LOST, "lost", how)

    def _too_few(self) -> str:
        job, within_s = self._claim.job, self._settings.gather_s
        return f"fewer than {fewest_hosts(job)} of {job.hosts} hosts came within {within_s:g} s"

    def _of(self, outcome: Outcome) -> Ending:
        if outcome is Outcome.TIMEOUT:
            limit_s = self._claim.job.stop["max_runtime_s"]
            return Ending(outcome, "timeout", f"the job ran for its max_runtime_s, {limit_s:g} s")
        if outcome is Outcome.STALLED:
            limit_s = self._settings.stall_timeout_s
            said = f"the run made no headway for {limit_s:g} s: no step, metric or file"
            return Ending(outcome, "stalled", said)
        return Ending(outcome)
