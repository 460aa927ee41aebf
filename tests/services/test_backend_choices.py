"""Who may answer where a request names no backend: what the version's owner allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from services.container import Container
from services.errors import Conflict, NotFound
from services.promotion import CHAMPION
from tests.services import factories

MODEL = "digits"
CERTIFIED = {"status": "certified", "reason": None, "parity": {}}
INT8 = "onnxruntime-int8"
BACKENDS: Mapping[str, Any] = {
    "eager": CERTIFIED,
    "onnxruntime": CERTIFIED,
    INT8: CERTIFIED | {"auto": False},
    "onnxruntime-bf16": {"status": "rejected", "reason": "off", "parity": None, "auto": False},
}


def entry(container: Container, backend: str) -> Mapping[str, Any]:
    return container.registry.version(MODEL, "1").row.backends[backend]


def test_an_owner_allows_a_variant_and_takes_it_back(container: Container) -> None:
    factories.published(container, model=MODEL, backends=BACKENDS)
    known = container.registry.snapshot()
    assert known is not None
    for auto in (True, False):
        container.backend_choices.set_auto(MODEL, CHAMPION, INT8, auto)
        assert entry(container, INT8) == CERTIFIED | {"auto": auto}
        news = container.registry.snapshot(known.revision)
        assert news is not None, "every serving process hears of it"
        known = news
    container.backend_choices.set_auto(MODEL, "1", INT8, auto=False)
    assert container.registry.snapshot(known.revision) is None, "nothing has changed"


def test_what_cannot_answer_is_not_allowed_and_somebody_has_to(container: Container) -> None:
    factories.published(container, model=MODEL, backends=BACKENDS)
    choices = container.backend_choices
    with pytest.raises(Conflict, match=r"not certified for onnxruntime-bf16 \(rejected: off\)"):
        choices.set_auto(MODEL, "1", "onnxruntime-bf16", auto=True)
    choices.set_auto(MODEL, "1", "eager", auto=False)
    with pytest.raises(Conflict) as caught:
        choices.set_auto(MODEL, "1", "onnxruntime", auto=False)
    assert caught.value.code == "last_backend"
    choices.set_auto(MODEL, "1", INT8, auto=True)
    choices.set_auto(MODEL, "1", "onnxruntime", auto=False)


@pytest.mark.parametrize(
    ("name", "ref", "backend", "code"),
    [
        ("none", "1", INT8, "model_not_found"),
        (MODEL, "7", INT8, "version_not_found"),
        (MODEL, "1", "torchscript", "backend_not_found"),
    ],
)
def test_what_is_not_there_is_named(
    container: Container, name: str, ref: str, backend: str, code: str
) -> None:
    factories.published(container, model=MODEL, backends=BACKENDS)
    with pytest.raises(NotFound) as caught:
        container.backend_choices.set_auto(name, ref, backend, auto=True)
    assert caught.value.code == code


def test_a_version_of_variants_alone_is_no_champion(container: Container) -> None:
    alone = {
        "onnxruntime": {"status": "failed", "reason": "x", "parity": None},
        INT8: BACKENDS[INT8],
    }
    number = factories.published(container, model=MODEL, backends=alone, promote="always")
    assert container.registry.model(MODEL).aliases == {}
    with pytest.raises(Conflict):
        container.registry.set_alias(MODEL, "best", number)
    container.backend_choices.set_auto(MODEL, str(number), INT8, auto=True)
    assert container.registry.set_alias(MODEL, "best", number).aliases == ["best"]
