"""torchrun's own launcher: it gives each process its rank, and ends all of them when one fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from torch.distributed.elastic.multiprocessing.api import LogsDest, LogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from models.parallel.distributed import environment
from workers.trainer.pipes import Pipes


def run(arguments: Sequence[str], ranks: int, name: str, pipes: Pipes) -> Mapping[int, int]:
    """Have Python do `arguments` in `ranks` processes, and wait for all of them.

    → the exit status of each rank that failed. Nothing is started anew here: the service has
    attempts for that, which go on from a checkpoint.
    """
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # they meet at a file, not at a port
    for variable, value in environment().items():
        os.environ.setdefault(variable, value)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        run_id=name,
        role="rank",
        rdzv_backend="c10d",
        rdzv_endpoint=str(pipes.directory / "launcher"),
        rdzv_configs={"store_type": "file"},
        local_addr="127.0.0.1",
        max_restarts=0,
        logs_specs=IntoPipes(pipes),
    )
    try:
        elastic_launch(config, sys.executable)(*arguments)
    except ChildFailedError as error:
        return {rank: failure.exitcode for rank, failure in error.failures.items()}
    except SignalException as error:  # this process was told to end
        return {0: -error.sigval}
    return {}


class IntoPipes(LogsSpecs):
    """Where the launcher lets ranks print: to our pipes, in the place of files."""

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
