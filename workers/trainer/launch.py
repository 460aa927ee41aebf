"""A trainer whose job has several processes: it starts those of this host, and speaks for them."""

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
    from models.parallel import distributed
    from workers.trainer import elastic, rendezvous
else:
    distributed = lazy("models.parallel.distributed")
    elastic = lazy("workers.trainer.elastic")
    rendezvous = lazy("workers.trainer.rendezvous")

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
    """→ the last word of rank 0, or if it has none here what became of the ranks. Raises
    `Interrupted` where the run ends before it has begun."""
    ranks = len(spec.ranks)
    try:
        meeting = None if spec.rendezvous is None else rendezvous.meet(spec, send, controls)
    except distributed.PeerLost as error:
        return _peer_lost(str(error))
    hosts, place = (1, 0) if meeting is None else (meeting.hosts, meeting.rank)
    pipes = Pipes(Path(spec.workdir, "ranks"))
    pipes.make(ranks)
    own = range(place * ranks, (place + 1) * ranks)
    relay = Relay(pipes, encode_spec(spec), own, send, lambda: controls.reason)
    relay.start()
    arguments = [
        *("--pipes", str(pipes.directory)),
        *("--launcher", str(os.getpid())),
        *("--threads", str(max(1, threads // ranks))),
        *("--memory-bytes", str(memory_bytes // ranks)),
    ]
    # A name for each attempt: what one leaves behind in a store is not another's.
    name = f"{spec.job_id}-{spec.attempt}"
    try:
        ends = elastic.run([*command, *arguments], ranks, name, pipes, meeting)
    except RuntimeError as error:  # of torch's, for other hosts that do not come
        if meeting is None:
            raise
        return _peer_lost(f"the hosts did not meet: {type(error).__name__}")
    finally:
        relay.finish()
    words = relay.last_words
    if 0 in words:
        return words[0]
    errors = [word for word in words.values() if word["type"] == "error"]
    return errors[0] if errors else _ended(ends, hosts * ranks)


def _ended(ends: Mapping[int, int], ranks: int) -> Message:
    """What another attempt may be spared; of the rank that was the first to end, if one can be
    told from those that followed it."""
    causes = {rank: status for rank, status in ends.items() if status not in FOLLOWERS}
    for rank, status in causes.items():
        said = f"rank {rank} of {ranks} {how_it_ended(status)}"
        return {"type": "error", "code": "lost", "message": said}
    return _peer_lost(f"the {ranks} ranks lost each other")


def _peer_lost(said: str) -> Message:
    return {"type": "error", "code": "peer_lost", "message": said}
