"""One request and its answer, over HTTP or gRPC: what is checked before anything is timed."""

from __future__ import annotations

import http.client

import grpc
import numpy as np

from benchmarks.serving.models import TOLERANCE
from benchmarks.serving.servers.base import GRPC, HOST, Request, Response, Site, Wire

LIMIT_S = 30.0


class Failed(Exception):
    """Why a server could not be measured."""


def check(site: Site, wire: Wire, row: int) -> Response:
    """Ask once for the answer to `row`. Raises `Failed` unless it is ONNX Runtime's."""
    request = wire.request(site, site.model.rows[row])
    ask = ask_grpc if wire.protocol == GRPC else ask_http
    response = ask(wire.port(site), request)
    if wire.answer is None:
        return response
    expected = site.model.expected[row]
    try:
        got = np.asarray(wire.answer(response), np.float64)
    except (LookupError, ValueError, TypeError) as error:
        raise Failed(f"an answer of another form ({error!r}): {response.body[:200]!r}") from error
    if got.shape != expected.shape or not np.allclose(got, expected, rtol=0, atol=TOLERANCE):
        raise Failed(f"row {row}: expected {expected.tolist()}, got {got.tolist()}")
    return response


def ask_http(port: int, request: Request) -> Response:
    """On a connection of its own. Raises `Failed` for a status other than 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=LIMIT_S)
    try:
        connection.request(
            request.method, request.path, request.body or None, dict(request.headers)
        )
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"no answer ({error!r})") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise Failed(f"expected status 200, got {answer.status}: {body[:200]!r}")
    return Response({name.lower(): value for name, value in answer.getheaders()}, body)


def ask_grpc(port: int, request: Request) -> Response:
    """On a channel of its own. Raises `Failed` for a status other than OK."""
    # A channel that shared its connection with the one before would remember its failure.
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"{HOST}:{port}", options=options) as channel:
        call = channel.unary_unary(request.path)
        try:
            body = call(request.body, timeout=LIMIT_S, metadata=tuple(request.headers.items()))
        except grpc.RpcError as error:
            raise Failed(f"no answer ({error})") from None
    return Response({}, body)
