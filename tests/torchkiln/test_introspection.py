"""Looking into models by the client and the command, against a real HTTP server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.torchkiln.fakeservice import FakeService, Reply, problem, reply
from tests.torchkiln.test_cli import FAILED, torchkiln
from torchkiln import Client
from torchkiln.errors import NotFound


def test_introspection(service: FakeService, client: Client, tmp_path: Path) -> None:
    base = "/v1/models/m/versions/2"
    service.answers |= {
        f"{base}/summary": reply({"parameters": 3}),
        f"{base}/weights/net.0.png": Reply(200, b"png"),
        f"{base}/activations": reply({"layers": []}),
        f"{base}/gradients": reply({"layers": []}),
        f"{base}/features": reply({"features": [[0.5]]}),
    }
    models = client.models
    assert models.summary("m", 2)["parameters"] == 3
    assert models.weights("m", 2, "net.0", tmp_path / "w.png").read_bytes() == b"png"

    models.activations("m", 2, np.ones((1, 2)))
    assert service.requests[-1].path == f"{base}/activations"
    assert service.requests[-1].json() == {"inputs": [[1.0, 1.0]]}
    models.gradients("m", 2, b"\x89PNG", layer="net.0", target="a b")
    assert service.requests[-1].path == f"{base}/gradients?layer=net.0&target=a+b"
    assert service.requests[-1].headers["Content-Type"] == "image/png"
    assert service.requests[-1].body == b"\x89PNG"
    found = models.features("m", 2, b"a,b\n1,2\n", "net", media_type="text/csv")
    assert found["features"] == [[0.5]]
    assert service.requests[-1].headers["Content-Type"] == "text/csv"


def test_what_passes_through_a_layer_is_drawn(service: FakeService, client: Client) -> None:
    base = "/v1/models/m/versions/champion"
    service.answers |= {
        f"{base}/activations?layer=pre&format=png": Reply(200, b"maps"),
        f"{base}/gradients?layer=pre&target=a&format=png": Reply(200, b"gradients"),
        f"{base}/gradients?layer=nope&format=png": problem(404, "layer_not_found"),
    }
    row = [[1, 2]]
    assert client.models.draw_activations("m", "champion", row, "pre") == b"maps"
    assert client.models.draw_gradients("m", "champion", row, "pre", target="a") == b"gradients"
    with pytest.raises(NotFound):
        client.models.draw_gradients("m", "champion", row, "nope")


def test_the_summary_of_a_model_is_printed_as_it_comes(service: FakeService) -> None:
    summary = {"model": "digits", "version": 3, "text": "MLP\n\nLayer  [1, 10]\n"}
    service.answers |= {
        "/v1/models/digits/versions/champion/summary": reply(summary),
        "/v1/models/digits/versions/2/summary": reply(summary | {"text": "CNN"}),
    }
    said = torchkiln("models", "summary", "digits", url=service.url).stdout
    assert said == "MLP\n\nLayer  [1, 10]\n\n"
    assert torchkiln("models", "summary", "digits@2", url=service.url).stdout == "CNN\n"
    shown = torchkiln("models", "summary", "digits", "--json", url=service.url).stdout
    assert json.loads(shown) == summary
    assert torchkiln("models", "summary", "digits@", url=service.url).exit_code == FAILED
