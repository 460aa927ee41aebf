from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from services.errors import Invalid, TooLarge
from services.serving import images
from services.serving.versions import ServedVersion
from tests.services.serving.conftest import tensor, version


def model(datatype: str = "FP32", shape: tuple[int, ...] = (1, 4, 6)) -> ServedVersion:
    return version([tensor("pixels", datatype, [-1, *shape])])


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def grey(height: int = 4, width: int = 6) -> np.ndarray[Any, Any]:
    return np.arange(height * width, dtype=np.uint8).reshape(height, width) * 7


def test_a_picture_of_the_models_size_is_its_pixels() -> None:
    body = encoded(Image.fromarray(grey()))
    found = images.parse(body, "image/png", model())["pixels"]
    assert found.dtype == np.float32
    assert np.array_equal(found, grey()[None, None].astype(np.float32) / 255)
    raw = images.parse(body, "image/png", model("UINT8"))["pixels"]
    assert np.array_equal(raw, grey()[None, None])


def test_channels_are_converted_both_ways() -> None:
    colour = np.dstack([grey(), grey() // 2, grey() // 3])
    body = encoded(Image.fromarray(colour))
    found = images.parse(body, "image/png", model("UINT8", (3, 4, 6)))["pixels"]
    assert np.array_equal(found[0], colour.transpose(2, 0, 1))
    assert images.parse(body, "image/png", model())["pixels"].shape == (1, 1, 4, 6)
    flat = images.parse(encoded(Image.fromarray(grey())), "image/png", model("UINT8", (3, 4, 6)))
    assert np.array_equal(flat["pixels"][0, 0], flat["pixels"][0, 2])


def test_it_is_resized_to_the_model_or_left_where_the_model_takes_any_size() -> None:
    body = encoded(Image.fromarray(np.full((40, 60), 51, np.uint8)))
    found = images.parse(body, "image/png", model())["pixels"]
    assert found.shape == (1, 1, 4, 6)
    assert np.allclose(found, 0.2)
    assert images.parse(body, "image/png", model(shape=(1, -1, -1)))["pixels"].shape == (
        *(1, 1),
        *(40, 60),
    )


def test_jpeg_is_turned_as_its_camera_was() -> None:
    image = Image.fromarray(np.full((6, 4), 100, np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees
    body = encoded(image, "JPEG", exif=exif)
    found = images.parse(body, "image/jpeg", model(shape=(1, -1, -1)))["pixels"]
    assert found.shape == (1, 1, 4, 6)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "CMYK"])
def test_every_mode_becomes_what_the_model_takes(mode: str) -> None:
    image = Image.fromarray(grey()).convert("RGB").convert(mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    found = images.parse(encoded(image, kind), f"image/{kind.lower()}", model())["pixels"]
    assert found.shape == (1, 1, 4, 6)


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    deep = grey().astype(np.uint16) * 256
    found = images.parse(encoded(Image.fromarray(deep)), "image/png", model("UINT8"))["pixels"]
    assert np.array_equal(found[0, 0], grey())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a picture",
        encoded(Image.fromarray(grey(99, 99)))[:-40],
        encoded(Image.fromarray(grey()), "JPEG"),
        encoded(Image.fromarray(grey()), "GIF"),
    ],
)
def test_what_is_no_png_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match="not a PNG image") as caught:
        images.parse(body, "image/png", model())
    assert caught.value.code == "invalid_image"


def test_a_picture_that_unfolds_to_gigabytes_is_refused_before_it_does() -> None:
    for side, got in ((8_000, "got 8000 by 8000"), (10_000, "far more"), (20_000, "far more")):
        bomb = encoded(Image.new("1", (side, side)))
        assert len(bomb) < 100_000
        with pytest.raises(TooLarge, match=got):
            images.parse(bomb, "image/png", model())


@pytest.mark.parametrize(
    "served",
    [
        version([tensor("x", "FP32", [-1, 4])]),
        model("INT64"),
        model(shape=(2, 4, 6)),
        version([tensor("a", "FP32", [-1, 1, 4, 6]), tensor("b", "FP32", [-1, 1, 4, 6])]),
    ],
)
def test_a_model_that_takes_no_pictures_says_what_it_takes(served: ServedVersion) -> None:
    with pytest.raises(Invalid, match="takes no images"):
        images.parse(encoded(Image.fromarray(grey())), "image/png", served)
