"""What an API process answers by its role."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.container import Container
from services.settings import Role, Settings
from tests.api.conftest import served
from tests.services.conftest import RecordingQueue
from tests.support.factors import add_factor

BODY = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}


@pytest.mark.parametrize(
    ("role", "manages", "serves"),
    [("all", 200, 200), ("manage", 200, 404), ("serve", 404, 200)],
)
def test_a_role_answers_its_own_routes_alone(
    role: Role, manages: int, serves: int, container: Container
) -> None:
    add_factor(container, 2.0)
    own = Container(container.settings.model_copy(update={"role": role}), queue=RecordingQueue())
    fast = own.settings.serves
    with served(own, fast=fast, ready="/readyz") as api:
        client = api.client
        assert client.get("/v1/jobs").status_code == manages
        assert client.post("/v2/models/m/infer", json=BODY).status_code == serves
        assert client.post("/v1/models/m/predict", json={"inputs": [[1, 2]]}).status_code == serves
        assert client.get("/healthz").status_code == 200
        assert bool([*api.state.engine.cache]) == (serves == 200), "only what serves loads models"
    own.close()


def test_passwords_may_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torchkiln_redis_url").write_text("redis://:secret@redis/0\n")
    (tmp_path / "torchkiln_port").write_text("81")
    monkeypatch.setenv("TORCHKILN_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHKILN_PORT", "82")
    settings = Settings()
    assert (settings.redis_url, settings.port) == ("redis://:secret@redis/0", 82)
