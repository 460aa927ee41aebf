"""A trainer whose job has several processes: it starts them, and speaks for them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from models.lazy import lazy
from workers.messages import Message, TrainSpec, encode_spec
from workers.process import how_it_ended
from workers.trainer.channel import Controls
from workers.trainer.pipes import Pipes
from workers.trainer.relay import Relay

if TYPE_CHECKING:
    from workers.trainer import elastic
else:
    elastic = lazy("workers.trainer.elastic")

RANK = ("-m", "workers.trainer.rank")
"""What Python is given to become one."""
PEER_LOST = 79
"""The exit status of a rank that found another one gone."""
FOLLOWERS = frozenset({PEER_LOST, -signal.SIGTERM})
"""How ranks end because of another one: they notice, or torch's launcher ends them."""


def launch(
    spec: TrainSpec,
    send: Callable[[Message], None],
    controls: Controls,
    *,
    threads: int,
    memory_bytes: int = 0,
    command: Sequence[str] = RANK,
) -> Message:
    """→ the last word of rank 0, or if it has none what became of the ranks."""
    ranks = len(spec.ranks)
    pipes = Pipes(Path(spec.workdir, "ranks"))
    pipes.make(ranks)
    relay = Relay(pipes, encode_spec(spec), ranks, send, lambda: controls.reason)
    relay.start()
    arguments = [
        *("--pipes", str(pipes.directory)),
        *("--launcher", str(os.getpid())),
        *("--threads", str(max(1, threads // ranks))),
        *("--memory-bytes", str(memory_bytes // ranks)),
    ]
    try:
        ends = elastic.run([*command, *arguments], ranks, spec.job_id, pipes)
    finally:
        relay.finish()
    words = relay.last_words
    if 0 in words:
        return words[0]
    errors = [word for word in words.values() if word["type"] == "error"]
    return errors[0] if errors else _lost(ends, ranks)


def _lost(ends: Mapping[int, int], ranks: int) -> Message:
    """What another attempt may be spared; of the rank that was the first to end, if one can be
    told from those that followed it."""
    causes = {rank: status for rank, status in ends.items() if status not in FOLLOWERS}
    said = f"the {ranks} ranks lost each other"
    for rank, status in causes.items():
        said = f"rank {rank} of {ranks} {how_it_ended(status)}"
        break
    return {"type": "error", "code": "lost", "message": said}
