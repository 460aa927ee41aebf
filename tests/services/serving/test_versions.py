from __future__ import annotations

import pytest

from services.errors import Conflict, Invalid
from services.serving.versions import ServedVersion
from tests.services.serving.conftest import ALL_CERTIFIED, CERTIFIED, version

REJECTED = {"status": "rejected", "reason": "it differs by 1.0"}


def test_without_a_benchmark_auto_is_the_generally_fastest_certified_backend() -> None:
    assert version().backend_for(None, 1) == "onnxruntime"
    without = version(backends=ALL_CERTIFIED | {"onnxruntime": REJECTED})
    assert without.backend_for("auto", 1) == "torchscript"


@pytest.mark.parametrize(
    ("rows", "backend"),
    [
        *((0, "eager"), (1, "eager"), (2, "eager"), (3, "torchscript"), (8, "torchscript")),
        *((15, "torchscript"), (17, "onnxruntime"), (10_000, "onnxruntime")),
    ],
)
def test_auto_is_the_fastest_at_the_nearest_benchmarked_size(rows: int, backend: str) -> None:
    served = version(preferred={"32": "onnxruntime", "1": "eager", "8": "torchscript"})
    assert served.backend_for("auto", rows) == backend


def test_a_preference_for_a_backend_that_is_not_certified_any_more_is_ignored() -> None:
    served = version(backends={"eager": CERTIFIED}, preferred={"1": "onnxruntime"})
    assert served.backend_for(None, 1) == "eager"


def test_a_named_backend_answers_if_it_is_certified() -> None:
    assert version().backend_for("eager", 1) == "eager"


def refused(served: ServedVersion, wanted: str | None) -> Conflict:
    with pytest.raises(Conflict) as caught:
        served.backend_for(wanted, 1)
    assert caught.value.code == "not_certified"
    return caught.value


def test_a_backend_that_is_not_certified_is_refused_with_the_reason() -> None:
    served = version(backends=ALL_CERTIFIED | {"eager": REJECTED})
    detail = refused(served, "eager").detail
    assert "rejected: it differs by 1.0" in detail
    assert "certified: onnxruntime, torchscript" in detail


def test_a_version_without_any_certified_backend_is_refused() -> None:
    assert "certified: none" in refused(version(backends={}), None).detail
    assert "certified: none" in refused(version(backends={}), "onnxruntime").detail


def test_an_unknown_backend_is_invalid() -> None:
    with pytest.raises(Invalid, match="expected one of auto, eager, torchscript, onnxruntime"):
        version().backend_for("tensorrt", 1)


def test_auto_leaves_a_variant_alone_until_its_owner_allows_it() -> None:
    int8 = "onnxruntime-int8"
    preferred = {"1": int8}
    kept = version(
        backends=ALL_CERTIFIED | {int8: {**CERTIFIED, "auto": False}}, preferred=preferred
    )
    assert kept.backend_for(None, 1) == "onnxruntime"
    assert kept.backend_for(int8, 1) == int8, "a request that names it gets it"
    allowed = version(
        backends=ALL_CERTIFIED | {int8: {**CERTIFIED, "auto": True}}, preferred=preferred
    )
    assert allowed.backend_for(None, 1) == int8
