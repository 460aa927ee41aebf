"""Inference without a task, a scope or a message: from the bytes of a request to its answer's.

The short way of `POST /v2/models/…/infer`. It decides nothing by itself: where a key has to be
looked up, a model loaded, or anything is out of the ordinary, it leaves the request to the
application, which answers all that this does, by the same functions.
"""

from __future__ import annotations

from asyncio import Task
from typing import Any, Protocol

from api.exchange import Client, Endpoint, Exchange
from api.heads import Head, Heads
from api.infer import ROUTES
from api.known_routes import KnownRoutes
from api.request_ids import new_id
from api.state import State
from models.rows import Tensors
from services.keys import Scope
from services.serving import prediction
from services.serving.v2_plans import Known
from services.serving.versions import ServedVersion


class Connection(Client, Protocol):
    """A client that may go away before it has its answer."""

    exchange: Exchange | None
    """To be told when it does."""


class FastInfer:
    """One a process."""

    def __init__(self, state: State) -> None:
        self._watch = state.engine.watch
        self._allows = state.authenticator.allows
        self._news = state.authenticator.news
        self._routes = KnownRoutes(state.engine)
        self._latest = 0
        """By its `id`, who has asked last. Who then asks again has no others beside him."""
        self.heads = Heads(state.max_body_bytes)
        self._endpoints = {
            by_version: Endpoint(state.http_stats, path) for by_version, path in ROUTES.items()
        }

    def news(self, head: Head, now: int) -> Task[Any] | None:
        """What to wait for before `begin` is called, where the key has to be asked for again."""
        seconds = now * 1e-9
        if self._allows(Scope.PREDICT, head.secret, seconds):
            return None
        return self._news(head.secret, seconds)

    def begin(self, head: Head, data: bytes, start: int, client: Connection, now: int) -> bool:
        """Answer `client`, at once or soon; False leaves the request to the application.

        The body is the rest of `data`, from `start` on; `now` is by `clock_ns`.
        """
        lone, self._latest = self._latest == id(client), id(client)
        watch = self._watch
        served = watch.refs.get(head.target)
        if served is None or head.target[0] in watch.unloaded:
            return False
        if not self._allows(Scope.PREDICT, head.secret, now * 1e-9):
            return False
        own_id = head.given_id or new_id()
        endpoint = self._endpoints[head.target[1] is not None]
        given: Tensors | None = None
        try:
            found = served.plans.find(data, start, head.head_size)
            if found is not None:
                known, values = found
            else:
                known, given = _parsed(served, head, data[start:])
                values = b""
                if known.request.pictures is not None:  # to be decoded in a thread
                    return False
            ready = self._routes.ready(served, known, values, given, endpoint)
            if ready is None:
                return False
            client.exchange = Exchange(client, own_id, now, *ready, values, given)
            # What comes behind it may be in the sockets. A gRPC call, which comes by a thread of
            # grpcio's, does not look: it is answered later for it.
            client.exchange.submit(head.timeout_s, look=True, lone=lone)
        except Exception as error:
            endpoint.refuse(client, error, own_id, now)
        return True


def _parsed(served: ServedVersion, head: Head, body: bytes) -> tuple[Known, Tensors]:
    """A request that is like none before."""
    return prediction.read_whole(served, body, head.header_length, head.head_size)
