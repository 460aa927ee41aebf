"""How the client tells that something is wrong, against a real HTTP server."""

from __future__ import annotations

import pytest

from tests.torchkiln.fakeservice import FakeService, Reply, problem, reply
from torchkiln import Client
from torchkiln.client import tensor
from torchkiln.errors import (
    Conflict,
    FieldProblem,
    Invalid,
    NotAllowed,
    NotFound,
    Overloaded,
    Refused,
    ServerFault,
    Unreachable,
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, NotAllowed),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (413, Invalid),
        (422, Invalid),
        (429, Overloaded),
        (500, ServerFault),
        (503, Overloaded),
    ],
)
def test_each_status_has_its_exception(
    service: FakeService, client: Client, status: int, kind: type[Refused]
) -> None:
    service.answers["/v1/jobs/job_1"] = problem(status, "some_code", "what is wrong")
    with pytest.raises(kind) as caught:
        client.jobs.get("job_1")
    assert type(caught.value) is kind
    assert str(caught.value) == "what is wrong"
    assert (caught.value.status, caught.value.code) == (status, "some_code")


def test_fields_at_fault_are_carried(service: FakeService, client: Client) -> None:
    service.answers["/v1/jobs"] = problem(
        422, "invalid_params", "no", errors=[{"field": "params.lr", "message": "too small; got -1"}]
    )
    with pytest.raises(Invalid) as caught:
        client.jobs.submit("p", params={"lr": -1})
    assert caught.value.errors == (FieldProblem("params.lr", "too small; got -1"),)


def test_retry_after_is_carried(service: FakeService, client: Client) -> None:
    busy = problem(429, "overloaded", "later")
    service.answers["/v1/models/m/predict"] = Reply(429, busy.body, {"Retry-After": "7"})
    with pytest.raises(Overloaded) as caught:
        client.predict("m", [[1.0]])
    assert caught.value.retry_after_s == 7


def test_v2_errors_are_understood(service: FakeService, client: Client) -> None:
    service.answers["/v2/models/m/infer"] = reply({"error": "shape [1] expected"}, 400)
    with pytest.raises(Invalid, match=r"shape \[1\] expected"):
        client.infer("m", [tensor("x", "FP32", [1.0])])


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"[1]", b'"text"', b"\xff", b""])
def test_error_of_a_stranger_is_still_an_error(
    service: FakeService, client: Client, body: bytes
) -> None:
    service.answers["/v1/system"] = Reply(502, body)
    with pytest.raises(ServerFault) as caught:
        client.system()
    assert caught.value.code == "http_502"


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[1, 2]"])
def test_good_answer_of_a_stranger_is_named(
    service: FakeService, client: Client, body: bytes
) -> None:
    service.answers["/v1/system"] = Reply(200, body, {"Content-Type": "text/html"})
    with pytest.raises(Refused, match="text/html where a JSON object was expected"):
        client.system()


def test_nobody_answers() -> None:
    with (
        Client("http://127.0.0.1:1") as client,
        pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"),
    ):
        client.system()


def test_answer_breaks_off(service: FakeService, client: Client) -> None:
    service.answers["/v1/system"] = Reply(200, b'{"python": ', broken=True)
    with pytest.raises(Unreachable):
        client.system()
