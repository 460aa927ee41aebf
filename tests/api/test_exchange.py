"""Requests that are alike are read and answered together: each gets its own answer all the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from api.exchange import Exchange
from api.fast import FastInfer
from api.infer import refusal
from services.errors import Invalid, ServiceError
from services.serving import v2_request, v2_response
from services.serving.pace import Pace
from services.serving.runners import LoadedRunner
from services.serving.stats import clock_ns
from services.serving.v2_template import Template
from services.serving.versions import ServedVersion
from tests.support.short_way import (
    HUGE,
    INLINE,
    MAX_ROWS,
    POISON,
    THREAD,
    TOO_LARGE,
    Model,
    Served,
)


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


class Http(Served):
    def __init__(self, pace: Pace) -> None:
        super().__init__(pace)
        self.fast = FastInfer(self.state)

    def begin(self, ask: Ask, client: Receiver | None = None) -> Receiver:
        client = client or Receiver(ask.client)
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
    served = Http(pace)
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


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 0, 0, 1]), ASKS), max_size=16),
    st.sampled_from([INLINE, THREAD]),
)
def test_who_asks_again_is_answered_at_once_and_as_ever(
    course: list[tuple[int, Ask]], pace: Pace
) -> None:
    asyncio.run(asyncio.wait_for(_one_by_one(course, pace), 30))


async def _one_by_one(course: Sequence[tuple[int, Ask]], pace: Pace) -> None:
    served = Http(pace)
    clients = [Receiver(), Receiver()]
    latest = None
    for number, ask in course:
        client = clients[number]
        client.body = client.refused = None
        free = not served.loaded.waiting  # of pieces of one that was refused for another
        served.begin(ask, client)
        if pace is INLINE and free and number == latest and ask.rows <= MAX_ROWS:
            assert client.body is not None or client.refused is not None
        while client.body is None and client.refused is None:
            await asyncio.sleep(served.pause_s)
        expected = _by_itself(served.version, ask)
        if isinstance(expected, ServiceError):
            assert client.refused is not None
            assert refusal(client.refused, b"").body == refusal(expected, b"").body
        else:
            assert client.body == expected
        latest = number
    while served.loaded.waiting:
        await asyncio.sleep(served.pause_s)
    served.loaded.retire()
    expected = [_by_itself(served.version, ask) for _, ask in course]
    assert served.stats.successes == sum(isinstance(one, bytes) for one in expected)


def test_numbers_of_one_who_asks_again_go_straight_into_the_models_memory() -> None:
    async def test() -> None:
        served, client = Http(INLINE), Receiver()
        asks = [Ask(1, value, binary, "there") for binary in (False, True) for value in (1.5, 2.5)]
        for ask in asks * 3:
            client.body = None
            served.begin(ask, client)
            await asyncio.sleep(0)
            assert client.body == _by_itself(served.version, ask)
        assert served.model.bound_runs >= len(asks) * 2
        assert served.stats.successes == len(asks) * 3
        assert set(served.stats.batches) == {1}

    asyncio.run(asyncio.wait_for(test(), 30))


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
        served = Http(INLINE)
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
        served = Http(INLINE)
        for states in (["there"], ["there", "broken", "there"], ["broken"]):
            asks = [Ask(1, 1.5, True, state) for state in states]
            with capture_logs() as logged:
                answers = [client.body for client in await served.ask(asks)]
            assert answers == [_by_itself(served.version, ask) for ask in asks]
            said = [line["event"] for line in logged]
            assert said == ["answer_not_delivered"] * states.count("broken")
        assert served.stats.successes == 5
        assert served.answered == {200: 3}

    asyncio.run(asyncio.wait_for(test(), 30))


def test_a_runner_that_was_put_away_is_not_asked_again() -> None:
    async def test() -> None:
        served = Http(INLINE)
        ask = Ask(1, 1.5, True, "there")
        await served.ask([ask])
        served.loaded.retire()
        before, served.loaded = served.model, LoadedRunner(Model(), INLINE, 1, 1.0)
        (client,) = await served.ask([ask])
        assert client.body == _by_itself(served.version, ask)
        assert before.batches == [1]

    asyncio.run(asyncio.wait_for(test(), 30))
