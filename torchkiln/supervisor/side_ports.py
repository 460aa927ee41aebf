"""The ports of gRPC and of the web page: as they were asked for, or chosen beside that of HTTP."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from torchkiln.errors import CannotRun
from torchkiln.supervisor.ports import reserve


@dataclass(frozen=True)
class SidePort:
    usual: int
    remedy: str

    def reserve(self, host: str, wanted: int | None, *, free: bool) -> socket.socket | None:
        """Like `ports.reserve`; None where `wanted` is 0, which is off.

        A port that nobody has asked for (None) is the usual one, or a free one where that is
        taken, or at once where `free`. Raises `CannotRun` for one that was asked for and is not
        to be had.
        """
        if wanted == 0:
            return None
        if wanted is not None:
            return reserve(host, wanted, remedy=self.remedy)
        if not free:
            try:
                return reserve(host, self.usual)
            except CannotRun:
                pass
        return reserve(host, 0)


GRPC = SidePort(8001, "give --grpc-port another number (0 turns gRPC off)")
DASHBOARD = SidePort(8002, "give --dashboard-port another number (0 turns the web page off)")
