"""Requests that are alike are read and answered together: each gets its own answer all the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from api.exchange import Exchange
from api.fast import FastInfer
from api.http_stats import HttpStats
from api.infer import refusal
from models.rows import Tensors
from services.errors import Invalid, ServiceError
from services.keys import Scope
from services.serving import v2_request, v2_response
from services.serving.key import Key
from services.serving.runners import LoadedRunner, Pace
from services.serving.stats import PredictionStats, clock_ns
from services.serving.v2_template import Template
from services.serving.versions import ServedVersion
from tests.services.serving.conftest import version

MAX_ROWS = 8
POISON, HUGE, TOO_LARGE = -1.0, 3e38, 1e39
"""What the model fails on, what it makes infinite, and what no float32 holds."""
INLINE, THREAD = Pace(0.0, 1e-9), Pace(0.0, 1.0)


class Model:
    """Doubles each row; fails on a batch with a poisoned one."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        rows = inputs["x"]
        self.batches.append(len(rows))
        if rows.dtype != np.float32 or (rows == POISON).any():
            raise RuntimeError("poisoned")
        with np.errstate(over="ignore"):
            return {"y": rows * 2}

    def close(self) -> None: ...


class Receiver:
    """A client: there, gone, or one whose connection breaks as it is written to."""

    def __init__(self, state: str = "there") -> None:
        self.exchange: Exchange | None = None
        self.body: bytes | None = None
        self.refused: Exception | None = None
        self.state = state

    def succeed(
        self, own_id: bytes, opening: bytes, values: bytes, closing: bytes, head_length: int | None
    ) -> int:
        assert own_id.startswith(b"req_")
        assert self.body is None
        assert self.refused is None
        self.body = opening + values + closing
        if self.state == "broken":
            raise OSError("the connection broke")
        return clock_ns() if self.state == "there" else 0

    def refuse(self, error: Exception, own_id: bytes) -> tuple[int, int]:
        assert own_id
        assert self.body is None
        assert self.refused is None
        self.refused = error
        return refusal(error, own_id).status, clock_ns()


@dataclass(frozen=True)
class Ask:
    rows: int
    value: float
    binary: bool
    """How its numbers come; the answer's come the same way."""
    client: str

    def body(self) -> tuple[bytes, int | None]:
        row = {"name": "x", "datatype": "FP32", "shape": [self.rows, 2]}
        values = [self.value, 7.0] * self.rows
        if not self.binary:
            return json.dumps({"inputs": [row | {"data": values}]}).encode(), None
        with np.errstate(over="ignore"):
            raw = np.array(values, np.float32).tobytes()
        wanted = [{"name": "y", "parameters": {"binary_data": True}}]
        tensor = row | {"parameters": {"binary_data_size": len(raw)}}
        head = json.dumps({"inputs": [tensor], "outputs": wanted}).encode()
        return head + raw, len(head)


class Served:
    """One model behind the short way, without sockets or a registry."""

    def __init__(self, pace: Pace) -> None:
        self.version: ServedVersion = version()
        self.model = Model()
        self.loaded = LoadedRunner(self.model, pace, 1, 1e9, max_batch_rows=MAX_ROWS)
        self.pause_s = 0.0 if pace is INLINE else 0.0005
        self.stats = PredictionStats()
        self.http = HttpStats()
        engine = SimpleNamespace(
            watch=SimpleNamespace(refs={("demo", None): self.version}, unloaded=frozenset[str]()),
            cache=SimpleNamespace(peek=self._loaded),
            stats_of=self._stats,
        )
        state: Any = SimpleNamespace(
            engine=engine,
            authenticator=SimpleNamespace(allows=self._allows),
            http_stats=self.http,
            max_body_bytes=10_000,
        )
        self.fast = FastInfer(state)

    def _loaded(self, _key: Key) -> LoadedRunner:
        return self.loaded

    def _stats(self, _served: ServedVersion, _backend: str) -> PredictionStats:
        return self.stats

    def _allows(self, _scope: Scope, _secret: bytes | None, now: float) -> bool:
        return now > 0

    def begin(self, ask: Ask) -> Receiver:
        client = Receiver(ask.client)
        body, head_size = ask.body()
        lines = [b"POST /v2/models/demo/infer HTTP/1.1", b"content-length: %d" % len(body)]
        if head_size is not None:
            lines.append(b"inference-header-content-length: %d" % head_size)
        block = b"\r\n".join([*lines, b"", b""])
        head = self.fast.heads[block]
        assert head is not None
        assert self.fast.begin(head, block + body, len(block), client, clock_ns())
        return client

    async def ask(self, asks: Sequence[Ask]) -> list[Receiver]:
        """All at once; those who asked, once each has been told something."""
        clients = [self.begin(ask) for ask in asks]
        while any(client.body is None and client.refused is None for client in clients):
            await asyncio.sleep(self.pause_s)
        return clients

    @property
    def answered(self) -> dict[int, int]:
        return {key.status: stats.count for key, stats in self.http.routes.items() if stats.count}


ASKS = st.builds(
    Ask,
    rows=st.sampled_from([1, 1, 1, 2, 0, MAX_ROWS + 1]),
    value=st.sampled_from([1.5, 2.5, 3.5, 4.5, 5.5, 6.5, POISON, HUGE, TOO_LARGE]),
    binary=st.booleans(),
    client=st.sampled_from(["there"] * 4 + ["gone"]),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.lists(ASKS, max_size=12), max_size=3), st.sampled_from([INLINE, THREAD]))
def test_whoever_asks_beside_whom_gets_the_answer_to_his_own(
    turns: list[list[Ask]], pace: Pace
) -> None:
    asyncio.run(asyncio.wait_for(_in_turns(turns, pace), 30))


async def _in_turns(turns: Sequence[Sequence[Ask]], pace: Pace) -> None:
    served = Served(pace)
    rows = predictions = told = 0
    for asks in turns:
        clients = await served.ask(asks)
        for ask, client in zip(asks, clients, strict=True):
            expected = _by_itself(served.version, ask)
            if isinstance(expected, ServiceError):
                assert client.refused is not None
                assert refusal(client.refused, b"").body == refusal(expected, b"").body
                continue
            assert client.body == expected
            rows += ask.rows
            predictions += 1
            told += client.state == "there"
    served.loaded.retire()
    assert (served.stats.rows, served.stats.successes) == (rows, predictions)
    assert served.answered.get(200, 0) == told
    assert min(served.stats.queue_ns, served.stats.input_ns, served.stats.output_ns) >= 0


def _by_itself(version: ServedVersion, ask: Ask) -> bytes | ServiceError:
    """Its answer where nobody else asks, by what knows nothing of others like it."""
    body, head_size = ask.body()
    length = None if head_size is None else b"%d" % head_size
    try:
        request = v2_request.parse(body, length, version)
        outputs = Model().run(request.inputs)
        return v2_response.encode(request, version, "onnxruntime", outputs)[0]
    except ServiceError as error:
        return error
    except RuntimeError:
        words = "the model could not compute an answer to this input"
        return Invalid(words, code="inference_failed")


def test_those_that_are_alike_are_one_batch_and_written_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        served = Served(INLINE)
        for binary in (False, True):
            await served.ask([Ask(1, 1.5, binary, "there")])  # from which the others are known
        monkeypatch.setattr(Template, "encode", None)  # which nobody may need any more
        for binary in (False, True):
            asks = [Ask(1, value, binary, "there") for value in (2.5, 3.5, 4.5)]
            answers = [client.body for client in await served.ask(asks)]
            assert answers == [_by_itself(served.version, ask) for ask in asks]
        assert served.model.batches == [1, 1, 3, 3]

    asyncio.run(asyncio.wait_for(test(), 30))


def test_a_connection_that_breaks_costs_nobody_else_an_answer() -> None:
    async def test() -> None:
        served = Served(INLINE)
        for states in (["there"], ["there", "broken", "there"], ["broken"]):
            asks = [Ask(1, 1.5, True, state) for state in states]
            answers = [client.body for client in await served.ask(asks)]
            assert answers == [_by_itself(served.version, ask) for ask in asks]
        assert served.stats.successes == 5
        assert served.answered == {200: 3}

    asyncio.run(asyncio.wait_for(test(), 30))


def test_a_runner_that_was_put_away_is_not_asked_again() -> None:
    async def test() -> None:
        served = Served(INLINE)
        ask = Ask(1, 1.5, True, "there")
        await served.ask([ask])
        served.loaded.retire()
        before, served.loaded = served.model, LoadedRunner(Model(), INLINE, 1, 1.0)
        (client,) = await served.ask([ask])
        assert client.body == _by_itself(served.version, ask)
        assert before.batches == [1]

    asyncio.run(asyncio.wait_for(test(), 30))
