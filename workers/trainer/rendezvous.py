"""Where the launchers of one job's hosts meet: a store in that of seat 0, the leader.

torch's `static` rendezvous, in which a node's rank is what it is told. The `c10d` one sorts nodes
by their names and addresses, and rank 0 has to be where events and checkpoints are written.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import torch.distributed as dist
from torch.distributed.elastic.rendezvous import RendezvousHandler
from torch.distributed.elastic.rendezvous.static_tcp_rendezvous import StaticTCPRendezvous

from models.errors import Interrupted
from models.parallel.distributed import PeerLost
from models.parallel.interfaces import towards
from workers.messages import Message, TrainSpec
from workers.trainer.channel import Controls

REACH_S = 60
"""How long the leader may take to be reached, and the agents of the others to come."""
POLL_S = 0.05
STORES: Any = dist
"""torch says of none of its stores that it exports them."""
SEATS = "seats"
"""The key under which the leader writes which seats the run has."""


@dataclass(frozen=True)
class Meeting:
    """This host among those that train together, once it is known who they are."""

    address: str
    port: int
    own: str
    """The address of this host among them."""
    rank: int
    hosts: int
    store: Any
    """Kept for as long as the run: in the leader it is what the others meet at."""

    def handler(self, run_id: str) -> RendezvousHandler:
        return StaticTCPRendezvous(self.address, self.port, self.rank, self.hosts, run_id, REACH_S)


def meet(spec: TrainSpec, send: Callable[[Message], None], controls: Controls) -> Meeting:
    """Wait for the hosts to gather. Raises `Interrupted`, and `PeerLost` where the leader cannot
    be reached."""
    assert spec.rendezvous is not None  # noqa: S101 - only then anybody is to be met
    if spec.seat == 0:
        return _lead(spec.rendezvous, send, controls)
    return _follow(spec, spec.rendezvous, controls)


def _lead(address: str, send: Callable[[Message], None], controls: Controls) -> Meeting:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # A socket of our own: the store's would listen on every address of the host.
    listening = socket.create_server((address, 0), family=family)
    port: int = listening.getsockname()[1]
    store = STORES.TCPStore(
        address,
        port,
        is_master=True,
        timeout=timedelta(seconds=REACH_S),
        wait_for_workers=False,
        multi_tenant=True,  # so that the handler finds this one in the place of a second
        master_listen_fd=listening.detach(),
    )
    send({"type": "rendezvous", "port": port})
    while controls.seats is None:
        _wait(controls)
    shared = STORES.PrefixStore("gathered", store)
    shared.set(SEATS, orjson.dumps(controls.seats).decode())
    return Meeting(address, port, address, 0, len(controls.seats), store)


def _follow(spec: TrainSpec, endpoint: str, controls: Controls) -> Meeting:
    address, _, digits = endpoint.rpartition(":")
    port = int(digits)
    try:
        store = STORES.TCPStore(
            address, port, timeout=timedelta(seconds=REACH_S), wait_for_workers=False
        )
        shared = STORES.PrefixStore("gathered", store)
        while not shared.check([SEATS]):
            _wait(controls)
        seats: list[int] = orjson.loads(shared.get(SEATS))
    except RuntimeError as error:  # torch has more than one type for it, all of this one
        raise PeerLost("the leader cannot be reached") from error
    if spec.seat not in seats:
        raise PeerLost("the others have begun already")
    own = towards(address, port) or address
    return Meeting(address, port, own, seats.index(spec.seat), len(seats), store)


def _wait(controls: Controls) -> None:
    if controls.reason is not None:
        raise Interrupted(controls.reason)
    time.sleep(POLL_S)
