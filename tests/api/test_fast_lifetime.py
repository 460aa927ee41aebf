"""The short way while keys, models, clients and the process itself come and go."""

from __future__ import annotations

import threading
import time
import warnings
from typing import Any

import httpx
import numpy as np
import pytest

from api.main import Server
from api.protocol import KilnProtocol
from services.container import Container
from services.keys import Scope
from services.serving import loading
from tests.api.conftest import Api, Both, served
from tests.api.test_fast import GOOD, HEAD, LENGTH, PATH, RAW, USUAL, known
from tests.support.gated import Gated
from tests.support.published import add_version
from tests.support.raw_http import connect, read, request, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # gevent and the generated protobuf code, at their import
    import tritonclient.http as triton


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, container: Container) -> Gated:
    """What answers for the model `binary`, once a test lets it."""
    gated = Gated(queue_limit_s=30)
    monkeypatch.setattr(loading, "load", lambda *_args, **_named: gated.loaded)
    add_version(container, "binary", name="binary")
    return gated


def connections(server: Server) -> list[KilnProtocol]:
    return [one for one in server.server_state.connections if isinstance(one, KilnProtocol)]


def warm(api: Api, model: Gated) -> None:
    model.gate.release()
    known(api)


def test_keys_are_asked_for_by_either_way(api: Api, container: Container, asked: list[str]) -> None:
    add_version(container, "binary", name="binary")
    known(api)
    key, secret = container.keys.create("predicts", [Scope.PREDICT])
    _, other = container.keys.create("reads", [Scope.READ])
    until(lambda: api.client.post(PATH, content=GOOD).status_code == 401)
    for _ in range(3):
        for shown, status in ((secret, 200), (other, 403), ("tk_unknown", 401)):
            answer = api.client.post(PATH, content=GOOD, headers={"X-API-Key": shown})
            assert answer.status_code == status
    asked.clear()
    headers = {"Authorization": f"Bearer {secret}"}
    assert api.client.post(PATH, content=GOOD, headers=headers).status_code == 200
    assert asked == []
    container.keys.revoke(key.id)
    until(lambda: api.client.post(PATH, content=GOOD, headers=headers).status_code == 401)


def test_an_unloaded_model_is_refused_and_a_loaded_one_answers_again(
    api: Api, container: Container, asked: list[str]
) -> None:
    add_version(container, "binary", name="binary")
    known(api)
    repository = "/v2/repository/models/binary"
    assert api.client.post(f"{repository}/unload").is_success
    answer = api.client.post(PATH, content=GOOD)
    assert (answer.status_code, "unloaded" in answer.json()["error"]) == (400, True)
    assert api.client.post(f"{repository}/load").is_success
    known(api)
    asked.clear()
    known(api)
    assert asked == []


def test_a_request_whose_client_has_gone_is_not_run(
    api: Api, model: Gated, asked: list[str]
) -> None:
    warm(api, model)
    asked.clear()
    with connect(api.client) as first:
        first.sendall(USUAL)
        until(lambda: model.calls == 2)
        with connect(api.client) as second:
            second.sendall(USUAL)
            until(lambda: model.loaded._waiting == 2)
        until(lambda: model.loaded._waiting == 1)
        model.gate.release()
        assert first.recv(12) == b"HTTP/1.1 200"
    assert model.rows == [1, 1]
    assert asked == []


def test_a_client_that_goes_while_its_batch_runs_costs_nobody_else_an_answer(
    api: Api, model: Gated
) -> None:
    warm(api, model)
    with connect(api.client) as first:
        first.sendall(USUAL)
        until(lambda: model.calls == 2)
    model.gate.release(2)
    known(api)
    assert (model.loaded._waiting, model.loaded._effort) == (0, 0)


@pytest.mark.parametrize("paths", [(PATH + "?whole", PATH), (PATH, PATH + "?whole")])
def test_a_quick_refusal_does_not_overtake_an_answer_under_way(
    api: Api, model: Gated, asked: list[str], paths: tuple[str, str]
) -> None:
    warm(api, model)
    asked.clear()
    with connect(api.client) as connection, connection.makefile("rb") as stream:
        connection.sendall(request(GOOD, paths[0]))
        until(lambda: model.calls == 2)
        connection.sendall(request(b"{}", paths[1]))
        time.sleep(0.05)  # in which it would overtake
        model.gate.release()
        assert [read(stream)[0] for _ in paths] == [200, 400]
    assert asked


@pytest.mark.parametrize("seconds", ["0.05", "60"])
def test_a_deadline_in_the_header_holds(
    api: Api, model: Gated, asked: list[str], seconds: str
) -> None:
    """Refused at once, because the one before takes 0.1 s; or waited for."""
    warm(api, model)
    asked.clear()
    with connect(api.client) as first:
        first.sendall(USUAL)
        until(lambda: model.calls == 2)
        if seconds == "60":
            model.gate.release(2)
        answer = api.client.post(PATH, content=GOOD, headers={"X-Request-Timeout": seconds})
        assert answer.status_code == (200 if seconds == "60" else 429)
        assert ("Retry-After" in answer.headers) is (seconds != "60")
        model.gate.release()
        assert first.recv(12) == b"HTTP/1.1 200"
    assert asked == []


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "whole"])
def test_a_request_under_way_is_answered_before_the_process_ends(
    container: Container, model: Gated, asked: list[str], fast: bool
) -> None:
    with served(container, fast=fast) as api:
        warm(api, model)
        asked.clear()
        answers: list[httpx.Response] = []
        url = api.client.base_url.join(PATH)
        client = threading.Thread(
            target=lambda: answers.append(httpx.post(url, content=GOOD, timeout=30))
        )
        client.start()
        until(lambda: model.calls == 2)
        threading.Timer(0.3, model.gate.release).start()
    client.join()
    assert [answer.status_code for answer in answers] == [200]
    assert (asked == []) is fast


def test_a_body_half_read_when_the_process_ends_is_answered_and_its_connection_closed(
    container: Container,
) -> None:
    """Though only the application can answer it, as it is for a model that does not exist."""
    with served(container) as api:
        whole = request(GOOD, "/v2/models/nothing/infer")
        server = api.server
        with connect(api.client) as connection, connection.makefile("rb") as stream:
            connection.sendall(whole[:-1])
            until(lambda: any(one._reading for one in connections(server)))
            server.should_exit = True
            until(lambda: any(one._closing for one in connections(server)))
            connection.sendall(whole[-1:])
            head = b"".join(iter(stream.readline, b"\r\n"))
            assert head.startswith(b"HTTP/1.1 404")
            assert b"connection: close" in head.lower()


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_tritonclient_takes_the_short_way(
    both: Both, asked: list[str], binary_in: bool, binary_out: bool
) -> None:
    rows = np.array([[0.5, -1], [2, 3]], np.float32)
    given = triton.InferInput("features", [2, 2], "FP32")
    given.set_data_from_numpy(rows, binary_data=binary_in)
    wanted = triton.InferRequestedOutput("answer", binary_data=binary_out)
    found: list[Any] = []
    for api in (both.fast, both.slow):
        known(api)
        asked.clear()
        url = api.client.base_url
        with triton.InferenceServerClient(f"{url.host}:{url.port}") as client:
            result = client.infer("binary", [given], outputs=[wanted], request_id="mine")
        assert result.get_response()["id"] == "mine"
        found.append(result.as_numpy("answer"))
        assert (asked == []) is (api is both.fast)
    np.testing.assert_array_equal(*found)


def test_what_is_learned_of_one_body_is_not_held_against_another(both: Both) -> None:
    """By the application too, which reads by the same plans."""
    spaced = GOOD.replace(b"[0.5, -1]", b"[ [0.5, -1] ]")
    broken = GOOD.replace(b"[0.5, -1]", b"[0.5, -1] ]")
    for api in (both.fast, both.slow):
        assert api.client.post(PATH, content=spaced).status_code == 200
        assert api.client.post(PATH, content=broken).status_code == 400
        assert api.client.post(PATH, content=HEAD + RAW, headers=LENGTH).status_code == 200
