"""Data parallel training: each of several processes takes a share of every batch.

What `DistributedDataParallel` does (Li et al., "PyTorch Distributed", VLDB 2020), with a single
bucket: the gradients of a model are one tensor already (`models.flat`), so that a step costs one
all-reduce, with nothing to overlap on models of this size. Two things are as in one process and
not as in the tutorial's section 10.3: `batch_size` is that of the whole batch, of which each rank
takes a part, and a smaller last batch counts by its rows. So the mathematics does not depend on
how many ranks there are, except for what looks at more than one row: batch norm takes the
statistics of a rank's rows, and a loss that compares rows with each other compares those.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from models.parallel import interfaces

PATIENCE = timedelta(minutes=30)
"""How long ranks wait for one that does not come: a download of rank 0's takes its time."""


class PeerLost(Exception):
    """Another rank is gone, and with it the training. It is the other one that knows why."""


class Ranks:
    """The processes that train together, as one of them sees them.

    Every method but `leads` is a collective: all ranks call it, in the same order. Each raises
    `PeerLost` where one of them is gone.
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank = rank
        self.size = size

    @property
    def leads(self) -> bool:
        """Whether this is the one that saves, draws, reports and publishes."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> None:
        """Put the sum over the ranks in its place: the same bits in each."""
        with _together():
            dist.all_reduce(tensor)

    def follow(self, tensors: Iterable[Tensor]) -> None:
        """Put rank 0's values in their place."""
        with _together():
            for tensor in tensors:
                dist.broadcast(tensor.detach(), src=0)

    def told(self, value: Any) -> Any:
        """→ rank 0's `value`, anything that can be pickled."""
        told = [value]
        with _together():
            dist.broadcast_object_list(told, src=0)
        return told[0]

    def gather(self, value: Any) -> list[Any]:
        """→ the `value` of each rank, in rank 0; nothing in the others."""
        values: list[Any] | None = [None] * self.size if self.leads else None
        with _together():
            dist.gather_object(value, values, dst=0)
        return values or []

    @contextmanager
    def one_by_one(self) -> Generator[None]:
        """Rank 0 first, then all others: what it has downloaded they find."""
        if not self.leads:
            self._wait()
        try:
            yield
        finally:
            if self.leads:
                self._wait()

    def _wait(self) -> None:
        with _together():
            dist.barrier()


def join(rank: int, size: int, device: str, meeting: Path | None) -> Ranks:
    """Meet the other ranks: gloo on CPUs, nccl on GPUs.

    Those of one host do so at the file `meeting`, and no port is opened but gloo's own, on the
    interface that `environment` names. Without a file it is the store of torch's launcher, at
    MASTER_ADDR and MASTER_PORT. Raises `PeerLost` where the others do not come.
    """
    on = torch.device(device)
    if on.type == "cuda":
        torch.cuda.set_device(on)
    backend = "cpu:gloo,cuda:nccl" if on.type == "cuda" else "gloo"
    with _together():
        store = _store(meeting, size)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    return Ranks(rank, size)


def _store(meeting: Path | None, size: int) -> Any:
    kinds: Any = dist  # which says of none of its stores that it exports them
    if meeting is not None:
        return kinds.FileStore(str(meeting), size)
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    made = kinds.TCPStore(host, port, timeout=PATIENCE, wait_for_workers=False)
    return kinds.PrefixStore("ranks", made)


def environment(address: str = interfaces.LOOPBACK) -> Mapping[str, str]:
    """What has gloo and nccl talk by the interface with this address of the host, loopback by
    default, for those who do not say otherwise."""
    name = interfaces.named(address)
    return {} if name is None else dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), name)


@contextmanager
def _together() -> Generator[None]:
    """A collective that fails does so because a rank is gone; gloo and nccl have no type for it."""
    try:
        yield
    except RuntimeError as error:
        raise PeerLost(str(error)) from error
