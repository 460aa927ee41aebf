"""Calls that are like one before are not parsed again: each gets its own answer all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from api.grpc import beginnings, fast, requests, responses
from api.grpc.beginnings import Beginnings
from api.grpc.errors import refusal_of
from api.grpc.messages import parsed
from services.errors import Invalid, ServiceError
from services.serving import v2_plans
from services.serving.pace import Pace
from services.serving.versions import ServedVersion
from tests.services.serving.conftest import version
from tests.support.short_way import HUGE, INLINE, MAX_ROWS, POISON, THREAD, Model, Served

pb: Any = service_pb2


class Aborted(Exception):
    pass


class Context:
    """What of a call's context is used."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self.metadata = metadata
        self.trailing: dict[str, str] = {}

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self.metadata

    def time_remaining(self) -> float | None:
        return None

    def set_trailing_metadata(self, metadata: Sequence[tuple[str, str]]) -> None:
        self.trailing = dict(metadata)

    async def abort(
        self, code: grpc.StatusCode, details: str, metadata: Sequence[tuple[str, str]]
    ) -> NoReturn:
        self.trailing = dict(metadata)
        raise Aborted(code, details)


@dataclass(frozen=True)
class Ask:
    rows: int
    value: float
    form: str = "raw"
    id: str = ""

    def message(self) -> Any:
        asked = pb.ModelInferRequest(model_name="demo", id=self.id)
        half = self.form == "half"
        tensor = asked.inputs.add(
            name="x", datatype="FP16" if half else "FP32", shape=[self.rows, 2]
        )
        with np.errstate(over="ignore"):
            values = np.array([self.value, 7.0] * self.rows, "<f2" if half else "<f4")
        if self.form == "typed":
            tensor.contents.fp32_contents.extend(values.tolist())
        else:
            raw = values.tobytes()
            asked.raw_input_contents.append(raw[1:] if self.form == "short" else raw)
        if self.form == "unknown":
            asked.outputs.add(name="nope")
        if self.form == "backend":
            asked.parameters["backend"].string_param = "eager"
        return asked

    def data(self) -> bytes:
        return self.message().SerializeToString()


class Grpc(Served):
    def __init__(self, pace: Pace) -> None:
        super().__init__(pace)
        self.method = fast.model_infer(self.state, self._slow)

    async def _slow(self, data: bytes, context: Context) -> NoReturn:
        """What is left to it is for a model or version that is not here."""
        assert beginnings.target_of(pb.ModelInferRequest.FromString(data)) != ("demo", None)
        context.trailing["x-request-id"] = "req_"
        raise Aborted("left to the slow way")

    async def ask(self, data: bytes, context: Context | None = None) -> bytes | Aborted:
        context = context or Context()
        try:
            answer = await self.method(data, context)
        except Aborted as error:
            return error
        finally:
            assert context.trailing["x-request-id"].startswith("req_")
        return answer


def by_itself(served: ServedVersion, data: bytes) -> bytes | ServiceError:
    """Its answer where nobody else asks, by what knows nothing of others like it."""
    try:
        request = requests.read(parsed(pb.ModelInferRequest, data), served)
        backend = served.backend_for(request.backend, request.rows)
        outputs = Model().run(request.inputs)
        return responses.write(request, served, backend, outputs).SerializeToString()
    except ServiceError as error:
        return error
    except RuntimeError:
        words = "the model could not compute an answer to this input"
        return Invalid(words, code="inference_failed")


def is_as(expected: bytes | ServiceError, answer: bytes | Aborted) -> bool:
    if isinstance(answer, bytes):
        return answer == expected
    if not isinstance(expected, ServiceError):
        return False
    refused = refusal_of(expected)
    return answer.args == (refused.code, refused.details)


ASKS = st.builds(
    Ask,
    rows=st.sampled_from([1, 1, 1, 2, 0, MAX_ROWS + 1]),
    value=st.sampled_from([1.5, 2.5, 3.5, 4.5, POISON, HUGE]),
    form=st.sampled_from(["raw"] * 6 + ["typed", "half", "short", "unknown", "backend"]),
    id=st.sampled_from(["", "", "", "a", "b"]),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.lists(ASKS, max_size=12), max_size=3), st.sampled_from([INLINE, THREAD]))
def test_whoever_asks_beside_whom_gets_the_answer_to_his_own(
    turns: list[list[Ask]], pace: Pace
) -> None:
    asyncio.run(asyncio.wait_for(_in_turns(turns, pace), 30))


async def _in_turns(turns: Sequence[Sequence[Ask]], pace: Pace) -> None:
    served = Grpc(pace)
    counted = {200: 0}
    rows = 0
    for asks in turns:
        answers = await asyncio.gather(*(served.ask(ask.data()) for ask in asks))
        for ask, answer in zip(asks, answers, strict=True):
            expected = by_itself(served.version, ask.data())
            assert is_as(expected, answer)
            if isinstance(expected, ServiceError):
                refused = refusal_of(expected)
                counted[refused.status] = counted.get(refused.status, 0) + 1
            else:
                counted[200] += 1
                rows += ask.rows
    served.loaded.retire()
    assert (served.stats.rows, served.stats.successes) == (rows, counted[200])
    assert served.answered == {status: count for status, count in counted.items() if count}


DAMAGE = st.tuples(st.integers(0, 99), st.integers(0, 3), st.binary(max_size=3))
"""Where, how many bytes are cut out there, and what is put in their place."""


@settings(max_examples=300, deadline=None)
@given(st.lists(DAMAGE, min_size=1, max_size=3), st.booleans())
def test_damaged_messages_are_answered_as_by_parsing(
    damage: list[tuple[int, int, bytes]], twice: bool
) -> None:
    """After a good one, whose beginning and length they may share; and after themselves."""

    async def test() -> None:
        served = Grpc(INLINE)
        data = Ask(2, 1.5).data()
        await served.ask(data)
        for where, cut, instead in damage:
            at = where % len(data)
            data = data[:at] + instead + data[at + cut :]
        for _ in range(1 + twice):
            answer = await served.ask(data)
            if not (isinstance(answer, Aborted) and answer.args == ("left to the slow way",)):
                assert is_as(by_itself(served.version, data), answer)

    asyncio.run(asyncio.wait_for(test(), 30))


def test_those_that_are_alike_are_not_parsed_and_are_one_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        served = Grpc(INLINE)
        await served.ask(Ask(1, 1.5).data())  # from which the others are known
        expected = [by_itself(served.version, Ask(1, value).data()) for value in (2.5, 3.5, 4.5)]
        monkeypatch.setattr(fast, "parsed", None)  # which nobody may need any more
        monkeypatch.setattr(fast.MessageTemplate, "whole", None)
        asks = [Ask(1, value).data() for value in (2.5, 3.5, 4.5)]
        assert await asyncio.gather(*map(served.ask, asks)) == expected
        assert served.model.batches == [1, 3]

    asyncio.run(asyncio.wait_for(test(), 30))


def test_a_message_is_for_the_version_that_answers_now() -> None:
    """What is known of a message says what it asks for, not which version that is."""

    async def test() -> None:
        served = Grpc(INLINE)
        data = Ask(1, 1.5).data()
        await served.ask(data)
        served.state.engine.watch.refs["demo", None] = other = version()
        other.version = 4
        answer = await served.ask(data)
        assert isinstance(answer, bytes)
        assert pb.ModelInferResponse.FromString(answer).model_version == "4"
        narrower = version([{"name": "x", "datatype": "FP32", "shape": [-1, 1]}])
        served.state.engine.watch.refs["demo", None] = narrower
        refused = await served.ask(data)
        assert isinstance(refused, Aborted)
        assert "expected shape [-1, 1], got [1, 2]" in refused.args[1]

    asyncio.run(asyncio.wait_for(test(), 30))


def test_an_id_of_the_clients_own_comes_back_and_is_not_kept() -> None:
    async def test() -> None:
        served = Grpc(INLINE)
        for own in ("req_1", "req_2"):
            context = Context(("x-request-id", own))
            await served.ask(Ask(1, 1.5).data(), context)
            assert context.trailing == {"x-request-id": own}

    asyncio.run(asyncio.wait_for(test(), 30))


def learned(data: bytes) -> int | None:
    return Beginnings().learn(data, pb.ModelInferRequest.FromString(data))


def test_only_what_ends_with_its_tensor_is_known_again() -> None:
    data, raw = Ask(1, 1.5).data(), np.array([1.5, 7.0], "<f4").tobytes()
    assert learned(data) == len(data) - len(raw)
    begin = data[: -len(raw) - 2]
    tensor = data[len(begin) :]
    in_another_order = tensor + begin
    assert pb.ModelInferRequest.FromString(in_another_order) == Ask(1, 1.5).message()
    assert learned(in_another_order) is None
    # The same bytes once more, in a field that the protocol does not have.
    assert learned(data + b"\x9a\x06" + bytes([len(raw)]) + raw) is None
    text = pb.ModelInferRequest()
    text.parameters["note"].string_param = "abcdabcd"
    letters = Ask(1, 1.5).message()
    letters.raw_input_contents[0] = b"abcdabcd"
    assert learned(letters.SerializeToString() + text.SerializeToString()) is None
    assert learned(Ask(1, 1.5, id="a").data()) is None
    assert learned(Ask(0, 1.5).data()) is None


def test_what_is_large_is_not_kept() -> None:
    size = 2 * 4 * MAX_ROWS
    assert learned(Ask(beginnings.MAX_MESSAGE // size * MAX_ROWS, 1.5).data()) is None
    long = Ask(1, 1.5).message()
    long.parameters["note"].string_param = "x" * v2_plans.MAX_JSON
    assert learned(long.SerializeToString()) is None


def test_what_is_known_is_bounded() -> None:
    known = Beginnings()
    for length in range(1, beginnings.MAX_LENGTHS + 2):
        message = pb.ModelInferRequest(model_name="m" * length, raw_input_contents=[b"raw"])
        assert known.learn(message.SerializeToString(), message)
    assert known.find(message.SerializeToString()) is not None
    message.model_name = "m"
    assert known.find(message.SerializeToString()) is None
    for number in range(beginnings.MAX_OF_A_LENGTH + 1):
        message = pb.ModelInferRequest(model_name=f"m{number}", raw_input_contents=[b"raw"])
        known.learn(message.SerializeToString(), message)
    assert known.find(message.SerializeToString()) == (4 + 2, ("m8", None))
    message.model_name = "m0"
    assert known.find(message.SerializeToString()) is None
