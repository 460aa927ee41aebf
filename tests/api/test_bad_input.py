"""Nothing that a client can send makes a 500, hangs, or is answered out of form."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from tests.api.conftest import Api

BODIES: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n\t",
    "half": b'{"inputs": [',
    "not json": b"hello",
    "bare NaN": b"NaN",
    "NaN inside": b'{"inputs": [[NaN]], "pipeline": NaN, "version": NaN, "model": NaN}',
    "Infinity": b'{"inputs": [[Infinity]], "seed": -Infinity, "version": Infinity}',
    "1e999": b'{"inputs": [[1e999]], "seed": 1e999, "version": 1e999}',
    "half a surrogate pair": b'{"pipeline": "\\ud800", "model": "\\udc00", "inputs": ["\\ud800"]}',
    "raw surrogate": b'{"pipeline": "\xed\xa0\x80"}',
    "invalid utf-8": b'{"pipeline": "\xff\xfe"}',
    "nul": b'{"pipeline": "a\\u0000b", "model": "\\u0000", "metadata": {"\\u0000": "\\u0000"}}',
    "raw nul": b'{"pipeline": "\x00"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"pipeline": "x"}'.encode("utf-16"),
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep inside": b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep but legal": b'{"inputs": ' + b"[" * 900 + b"]" * 900 + b', "metadata": {}}',
    "null": b"null",
    "number": b"42",
    "string": b'"text"',
    "list": b"[]",
    "object": b"{}",
    "huge integer": b'{"seed": 123456789012345678901234567890, "version": 99999999999999999999}',
    "huge exponent": b'{"seed": 1e308, "priority": 1E308, "version": 1e308}',
    "a number of digits": b'{"seed": ' + b"9" * 100_000 + b"}",
    "duplicate keys": b'{"inputs": [], "inputs": 7, "version": 1, "version": "x"}',
    "trailing garbage": b'{"inputs": []} garbage',
    "comments": b'{"inputs": [] /* none */}',
    "single quotes": b"{'inputs': []}",
    "wrong types": b'{"pipeline": [], "params": 7, "inputs": "x", "version": {}, "model": 1}',
    "nulls": b'{"pipeline": null, "params": null, "inputs": null, "version": null, "model": null}',
    "prototype": b'{"__proto__": {}, "constructor": {}}',
    "long key": b'{"' + b"k" * 100_000 + b'": 1}',
    "many keys": json.dumps({f"k{number}": number for number in range(5000)}).encode(),
    "bytes": bytes(range(256)) * 10,
}

JSON = {"Content-Type": "application/json"}
TARGETS = {
    "POST /v1/jobs": JSON,
    "POST /v1/jobs/none/resume": JSON,
    "POST /v1/benchmarks": JSON,
    "POST /v1/datasets": {"Content-Type": "multipart/form-data; boundary=x"},
    "POST /v1/models/new/versions": {"Content-Type": "multipart/form-data; boundary=x"},
    "PUT /v1/models/image/aliases/bad": JSON,
    "POST /v1/models/image/predict": JSON,
    "POST /v1/models/image/predict as png": {"Content-Type": "image/png"},
    "POST /v1/models/image/predict as jpeg": {"Content-Type": "image/jpeg"},
    "POST /v1/models/regression/predict as csv": {"Content-Type": "text/csv"},
    "POST /v2/models/image/infer": {},
    "POST /v2/models/image/infer with a header length": {"Inference-Header-Content-Length": "2"},
    "POST /v2/repository/index": {},
    "POST /v2/repository/models/image/load": {},
}
FINE = {
    ("POST /v2/repository/index", "empty"),
    ("POST /v2/repository/index", "blank"),
    ("POST /v2/repository/index", "object"),
    *(
        ("POST /v2/repository/models/image/load", name)
        for name in ("empty", "blank", "object", "huge exponent", "huge integer", "duplicate keys")
    ),
    *(
        ("POST /v2/repository/models/image/load", name)
        for name in ("wrong types", "nulls", "prototype", "long key", "many keys", "deep but legal")
    ),
    ("POST /v2/repository/models/image/load", "a number of digits"),
    # Five names with commas between them are a header without rows.
    *(("POST /v1/models/regression/predict as csv", name) for name in ("wrong types", "nulls")),
}
"""Bodies that an address may well take."""


def in_form(response: httpx.Response, *, v2: bool) -> None:
    """The contract's form of an error, short and without inner details."""
    body = response.json()
    if v2:
        assert list(body) == ["error"]
        assert isinstance(body["error"], str)
    else:
        assert response.headers["content-type"] == "application/problem+json"
        assert body["status"] == response.status_code
        assert body["code"]
        assert body["detail"]
        for error in body["errors"]:
            assert set(error) == {"field", "message"}
    assert len(response.content) < 20_000
    for secret in ("Traceback", "/work/", "site-packages", ".py", "sqlite"):
        assert secret not in response.text


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("target", TARGETS)
def test_a_bad_body_is_refused_in_form(shared: Api, target: str, body: str) -> None:
    method, path, *_ = target.split(" ")
    response = shared.client.request(method, path, content=BODIES[body], headers=TARGETS[target])
    if response.status_code == 200:
        assert (target, body) in FINE
    else:
        assert 400 <= response.status_code < 500, response.text
        in_form(response, v2=path.startswith("/v2"))
    assert shared.client.get("/v1/jobs").json()["data"][0]["status"] == "succeeded"


ODD = [
    *("%00", "a%00b", "..", "%2e%2e%2f", "a/../b", "%ff", "%f0%9f%92%a9", "a%0ab", "'", '"', "%25"),
    *("x" * 65, "x" * 5000, "-1", "0", "9" * 30, "null", "%ED%A0%80", "*", "a b", "%3Cscript%3E"),
]
PATHS = [
    *("/v1/jobs/{}", "/v1/jobs/{}/events", "/v1/jobs/{}/checkpoints/{}/download"),
    *("/v1/jobs/{}/artifacts/{}", "/v1/pipelines/{}", "/v1/datasets/{}", "/v1/datasets/{}/preview"),
    *("/v1/models/{}", "/v1/models/{}/versions", "/v1/models/{}/versions/{}"),
    *("/v1/models/image/versions/{}", "/v1/models/image/versions/1/files/{}", "/v1/benchmarks/{}"),
    *("/v1/benchmarks/{}/plot.png", "/v2/models/{}", "/v2/models/{}/versions/{}/ready", "/v2/{}"),
    "/{}",
]


@pytest.mark.parametrize("path", PATHS)
def test_odd_names_in_a_path_are_refused_in_form(shared: Api, path: str) -> None:
    for odd in ODD:
        response = shared.client.get(path.replace("{}", odd))
        if path.startswith("/v1/models/image/versions/{") and odd == "..":
            continue  # httpx tidies this one up before it sends it
        if response.status_code != 200:
            assert response.status_code in {400, 404, 405, 422}, (odd, response.text)
            in_form(response, v2=response.request.url.path.startswith("/v2"))


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/models", "/v1/models/image/versions"])
@pytest.mark.parametrize("name", ["limit", "after", "status", "pipeline", "model", "unknown"])
def test_odd_values_in_a_query_are_refused_in_form(shared: Api, path: str, name: str) -> None:
    for odd in ODD:
        response = shared.client.get(f"{path}?{name}={odd}")
        if response.status_code != 200:
            assert response.status_code in {400, 422}, (odd, response.text)
            in_form(response, v2=False)


def test_a_nul_is_refused_where_the_database_could_not_hold_it(shared: Api) -> None:
    for path in ("/v1/jobs/%00", "/v1/jobs?model=%00", "/v2/models/%00"):
        response = shared.client.get(path)
        assert response.status_code in {400, 422}
        assert "NUL" in response.text
    response = shared.client.post(
        "/v1/jobs", content=b'{"pipeline": "x", "metadata": {"a": ["\\u0000"]}}', headers=JSON
    )
    assert response.json()["errors"][0]["field"] == "metadata.a.0"
    fine = shared.client.post(
        "/v1/jobs", content=b'{"pipeline": "nope", "metadata": {"a": "\\\\u0000"}}', headers=JSON
    )
    assert fine.json()["code"] == "unknown_pipeline"


def mutated(source: bytes, rng: random.Random) -> bytes:
    made = bytearray(source)
    for _ in range(rng.randint(1, 4) if made else 0):
        at = rng.randrange(len(made))
        match rng.randrange(4):
            case 0:
                made[at] = rng.randrange(256)
            case 1:
                del made[at : at + rng.randint(1, 8)]
            case 2:
                made[at:at] = rng.choice([b"[", b"]", b"{", b'"', b",", b"-", b"1e999", b"\\u0000"])
            case _:
                made = made[: at + 1]
        if not made:
            break
    return bytes(made)


def requests() -> Iterable[tuple[str, str, bytes, dict[str, str]]]:
    row: dict[str, Any] = {
        "name": "images",
        "datatype": "FP32",
        "shape": [1, 1, 8, 8],
        "data": [0.5] * 64,
    }
    job = {"pipeline": "binary-classification", "params": {"optimizer": {"lr": 0.1}}, "seed": 1}
    yield "POST", "/v1/jobs", json.dumps(job | {"nope": 1}).encode(), JSON
    yield "POST", "/v2/models/image/infer", json.dumps({"inputs": [row]}).encode(), {}
    rows = [[[[0.5] * 8] * 8]]
    yield "POST", "/v1/models/image/predict", json.dumps({"inputs": rows}).encode(), JSON
    csv = b"a,b,c,d,e\n1,2,3,4,5\n"
    yield "POST", "/v1/models/regression/predict", csv, {"Content-Type": "text/csv"}
    raw_row = {**row, "parameters": {"binary_data_size": 256}}
    del raw_row["data"]
    start = json.dumps({"inputs": [raw_row]}).encode()
    length = {"Inference-Header-Content-Length": str(len(start))}
    yield "POST", "/v2/models/image/infer", start + bytes(256), length


@pytest.mark.parametrize("seed", range(8))
def test_damaged_requests_are_answered_or_refused_in_form(shared: Api, seed: int) -> None:
    rng = random.Random(seed)
    for method, path, body, headers in requests():
        for _ in range(25):
            response = shared.client.request(
                method, path, content=mutated(body, rng), headers=headers
            )
            if response.status_code not in {200, 202}:
                assert 400 <= response.status_code < 500, response.text
                in_form(response, v2=path.startswith("/v2"))
