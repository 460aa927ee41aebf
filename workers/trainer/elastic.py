"""torchrun's own agent: it gives each process its rank, and ends all of them when one fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from torch.distributed.elastic.agent.server.api import WorkerSpec
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing.api import LogsDest, LogsSpecs, SignalException
from torch.distributed.elastic.rendezvous import RendezvousHandler, RendezvousParameters, registry

from models.parallel.distributed import environment
from workers.trainer.pipes import Pipes
from workers.trainer.rendezvous import Meeting


def run(
    arguments: Sequence[str], ranks: int, name: str, pipes: Pipes, meeting: Meeting | None
) -> Mapping[int, int]:
    """Have Python do `arguments` in `ranks` processes, and wait for all of them.

    Without a `meeting` they are all that there are. → the exit status of each rank that failed.
    Nothing is started anew here: the service has attempts for that, which go on from a checkpoint.
    """
    own = "127.0.0.1" if meeting is None else meeting.own
    for variable, value in environment(own).items():
        os.environ.setdefault(variable, value)
    spec = WorkerSpec(
        role="rank",
        local_world_size=ranks,
        entrypoint=sys.executable,
        args=tuple(arguments),
        rdzv_handler=_here(name, pipes) if meeting is None else meeting.handler(name),
        max_restarts=0,
        monitor_interval=0.1,
        master_addr=None if meeting is None else meeting.address,
        master_port=None if meeting is None else meeting.port,
        local_addr=own,
    )
    try:
        result: Any = Agent(spec, IntoPipes(pipes), start_method="spawn").run()
    except SignalException as error:  # this process was told to end
        return {0: -error.sigval}
    return {rank: failure.exitcode for rank, failure in result.failures.items()}


def _here(name: str, pipes: Pipes) -> RendezvousHandler:
    """Ranks of this host alone meet at a file, not at a port."""
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    return registry.get_rendezvous_handler(
        RendezvousParameters(
            backend="c10d",
            endpoint=str(pipes.directory / "launcher"),
            run_id=name,
            min_nodes=1,
            max_nodes=1,
            local_addr="127.0.0.1",
            store_type="file",
        )
    )


class Agent(LocalElasticAgent):
    def _exit_barrier(self) -> None:
        """Hosts do not wait for each other at the end: rank 0 says when all is done, and each
        worker ends its own processes."""


class IntoPipes(LogsSpecs):
    """Where the agent lets ranks print: to our pipes, in the place of files."""

    def __init__(self, pipes: Pipes) -> None:
        super().__init__()
        self._pipes = pipes

    def reify(self, envs: dict[int, dict[str, str]]) -> LogsDest:
        for env in envs.values():
            env["TORCHELASTIC_ERROR_FILE"] = ""
        stdouts = {rank: str(self._pipes.path(rank, "stdout")) for rank in envs}
        stderrs = {rank: str(self._pipes.path(rank, "stderr")) for rank in envs}
        return LogsDest(stdouts, stderrs, error_files=dict.fromkeys(envs, os.devnull))

    @property
    def root_log_dir(self) -> str:
        return os.devnull
