from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image

from models import pictures
from services.errors import Invalid, TooLarge
from services.serving import images, texts, v2_request, wire
from services.serving.v2_pictures import Pictures
from services.serving.versions import ServedVersion
from tests.services.serving.conftest import tensor, version
from tests.services.serving.test_images import encoded, grey, model

PNG = encoded(Image.fromarray(grey()))
JPEG = encoded(Image.fromarray(grey()), "JPEG")
TALL = encoded(Image.fromarray(grey(9, 6)))


def parse(served: ServedVersion, *files: bytes, shape: Any = None, **changes: Any) -> Pictures:
    raw = wire.write(texts.array_of(files, (len(files),)), "BYTES")
    head: dict[str, Any] = {
        "name": "pixels",
        "datatype": "BYTES",
        "shape": [len(files)] if shape is None else shape,
        "parameters": {"binary_data_size": len(raw)},
    } | changes
    text = orjson.dumps({"inputs": [head]})
    request = v2_request.parse(text + raw, b"%d" % len(text), served)
    assert request.layout is None
    assert request.rows == len(files)
    assert request.pictures is not None
    return request.pictures


@pytest.mark.parametrize("shape", [[2], [2, 1]])
@pytest.mark.parametrize("datatype", ["FP32", "UINT8"])
def test_each_element_is_a_row_as_v1_makes_it(datatype: str, shape: list[int]) -> None:
    served = model(datatype)
    found = parse(served, PNG, JPEG, shape=shape).decode()["pixels"]
    for row, (body, kind) in zip(found, [(PNG, "png"), (JPEG, "jpeg")], strict=True):
        expected = images.parse(body, f"image/{kind}", served)["pixels"]
        assert np.array_equal(row[np.newaxis], expected)
        assert row.dtype == expected.dtype
    assert parse(served).decode()["pixels"].shape == (0, 1, 4, 6)


def test_pictures_of_a_model_of_any_size_have_one_size() -> None:
    free = model(shape=(1, -1, -1))
    assert parse(free, TALL, TALL).decode()["pixels"].shape == (2, 1, 9, 6)
    with pytest.raises(Invalid, match="one size, 6 by 9 as in element 0, got 6 by 4 in element 1"):
        parse(free, TALL, PNG).decode()


def test_what_is_no_picture_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        parse(model(), PNG, b"no picture").decode()
    message = "input 'pixels': expected a PNG or JPEG image, got other bytes in element 1"
    assert caught.value.detail == message


def test_together_they_may_unfold_no_further_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 100)
    assert len(parse(model(), *[PNG] * 4).decode()["pixels"]) == 4
    with pytest.raises(TooLarge, match="expected at most 100 pixels, got more"):
        parse(model(), *[PNG] * 5).decode()
    large = encoded(Image.fromarray(grey(20, 20)))
    with pytest.raises(TooLarge, match="got 20 by 20 in element 1"):
        parse(model(), PNG, large).decode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [1, 2]}, "expected shape [-1] or [-1, 1] of pictures in BYTES, got [1, 2]"),
        ({"shape": []}, "expected shape [-1] or [-1, 1] of pictures in BYTES, got []"),
        ({"shape": [2]}, "got their end in element 1"),
        ({"parameters": {}, "data": ["a"]}, "expected pictures as binary data, got them in JSON"),
    ],
)
def test_pictures_that_are_announced_wrong_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(Invalid) as caught:
        parse(model(), PNG, **changes)
    assert caught.value.detail.startswith("input 'pixels': ")
    assert message in caught.value.detail


def test_a_model_of_no_pictures_takes_none() -> None:
    with pytest.raises(Invalid, match="'pixels': expected datatype FP32, got 'BYTES'"):
        parse(version([tensor("pixels", "FP32", [-1, 4])]), PNG)
