"""The port of gRPC: as it was asked for, or chosen beside that of HTTP."""

from __future__ import annotations

import socket

from torchkiln.errors import CannotRun
from torchkiln.supervisor.options import UpOptions
from torchkiln.supervisor.ports import reserve

USUAL = 8001
REMEDY = "give --grpc-port another number (0 turns gRPC off)"


def reserve_grpc(options: UpOptions) -> socket.socket | None:
    """Like `reserve`; None where gRPC is off.

    A port that nobody has asked for is the usual one, or a free one where that is taken or where
    HTTP's is a free one too. Raises `CannotRun` for one that was asked for and is not to be had.
    """
    if options.grpc_port == 0:
        return None
    if options.grpc_port is not None:
        return reserve(options.host, options.grpc_port, remedy=REMEDY)
    if options.port:
        try:
            return reserve(options.host, USUAL)
        except CannotRun:
            pass
    return reserve(options.host, 0)
