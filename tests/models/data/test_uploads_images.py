"""Zips of class folders: what pictures become, and what is refused by the name of its entry."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.data.uploads import Parsed, RefusedUpload, archives, content, image_folders, parse
from tests.support.uploads import CLASSES, images_bytes, picture_bytes, zip_bytes

GREY = picture_bytes(np.full((4, 6), 51, np.uint8))
RED = picture_bytes(np.full((4, 6, 3), (255, 0, 51), np.uint8))
ANTS = {f"ant/{number}.png": GREY for number in range(6)}
BEES = {f"bee/{number}.png": GREY for number in range(6)}
GOOD = {**ANTS, **BEES}
TWICE_ANTS = {name.replace("bee/", "ant/more"): value for name, value in GOOD.items()}


def parsed(directory: Path, data: bytes | dict[str, bytes], **asked: Any) -> Parsed:
    file = directory / "upload"
    file.write_bytes(data if isinstance(data, bytes) else zip_bytes(data))
    return parse(file, "images", name="Mine", **asked)


def test_folders_are_the_labels_and_pixels_the_inputs(tmp_path: Path) -> None:
    found = parsed(tmp_path, images_bytes())
    dataset, info = found.dataset, found.dataset.info
    assert (info.kind, info.task, info.classes) == ("images", "multiclass", CLASSES)
    assert (info.rows, info.shape, dataset.inputs.dtype) == (40, (1, 12, 12), np.float32)
    levels = [dataset.inputs[dataset.targets == code].mean() for code in range(3)]
    assert levels == pytest.approx([63 / 255, 127 / 255, 191 / 255], abs=0.01)
    assert set(dataset.targets[dataset.test]) == {0, 1, 2}
    assert found.profile["class_counts"] == {"ant": 14, "bee": 13, "cat": 13}
    seen = {"widths": [12, 12], "heights": [12, 12], "grey": 40, "resized": 0}
    assert found.profile["pictures"] == seen


def test_what_systems_leave_behind_and_one_folder_around_all_do_not_matter(tmp_path: Path) -> None:
    litter = {"ant/.DS_Store": b"x", "__MACOSX/ant/._0.png": b"x", "ant/": b""}
    wrapped = {f"pets/{name}": value for name, value in {**GOOD, **litter}.items()}
    plain = parsed(tmp_path, {**dict(reversed(GOOD.items())), **litter}).dataset
    inside = parsed(tmp_path, {**wrapped, "__MACOSX/._pets": b"x"}).dataset
    assert plain.info.task == "binary"
    assert plain.sha256 == inside.sha256 == parsed(tmp_path, GOOD).dataset.sha256


def test_one_picture_in_colour_makes_all_of_them_so(tmp_path: Path) -> None:
    deep = picture_bytes(np.full((4, 6), 51 << 8, np.uint16))
    found = parsed(tmp_path, {**GOOD, "bee/red.PNG": RED, "bee/deep.png": deep})
    assert found.dataset.info.shape == (3, 4, 6)
    last = found.dataset.inputs[-1]
    assert np.allclose(last, np.array([1, 0, 0.2])[:, None, None])
    assert np.allclose(found.dataset.inputs[:-1], 0.2)
    assert found.profile["pictures"]["grey"] == 13


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(224, 30)] * 12, (224, 30)),
        ([(70, 90)] * 12, (70, 90)),
        ([(225, 30)] * 12, (30, 30)),
        ([(400, 300)] * 12, (64, 64)),
        ([(7, 9)] * 6 + [(100, 5)] * 3 + [(90, 90)] * 3, (7, 7)),
    ],
)
def test_sizes_are_kept_where_they_are_one_and_small(
    tmp_path: Path, sizes: list[tuple[int, int]], expected: tuple[int, int]
) -> None:
    files = {
        f"{'ab'[row % 2]}/{row}.png": picture_bytes(np.full((height, width), 9 + row, np.uint8))
        for row, (width, height) in enumerate(sizes)
    }
    found = parsed(tmp_path, files)
    assert found.dataset.info.shape == (1, expected[1], expected[0])
    assert np.allclose(np.sort(found.dataset.inputs[:, 0, 0, 0]) * 255, np.arange(12) + 9)
    assert found.profile["pictures"]["resized"] == sum(size != expected for size in sizes)


def test_palettes_are_colours_and_transparency_is_dropped(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.open(io.BytesIO(RED)).quantize(4).save(file, "PNG", transparency=b"\0\x80")
    found = parsed(tmp_path, {**GOOD, "bee/palette.png": file.getvalue()})
    assert np.allclose(found.dataset.inputs[-1], np.array([1, 0, 0.2])[:, None, None])


def test_jpegs_are_turned_as_their_camera_was(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees
    lying = picture_bytes(np.full((6, 4), 51, np.uint8), "JPEG", exif=exif)
    found = parsed(tmp_path, {**GOOD, "bee/turned.jpeg": lying})
    assert found.dataset.info.shape == (1, 4, 6)
    assert found.profile["pictures"]["resized"] == 0


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"../ant/x.png": GREY}, r"entry '../ant/x.png': .* leads out of it"),
        ({"bee/../../x.png": GREY}, "leads out of it"),
        ({"bee\\..\\x.png": GREY}, "leads out of it"),
        ({"/bee/x.png": GREY}, r"entry '/bee/x.png': .* leads out of it"),
        ({"C:/bee/x.png": GREY}, "leads out of it"),
        ({"bee/\x1b[2J.png": GREY}, r"entry 'bee/\\x1b\[2J.png': .* control characters"),
        ({"bee/notes.txt": b"x"}, r"entry 'bee/notes.txt': expected a picture \(.png, .jpg"),
        ({"bee/page.gif": b"GIF89a"}, "entry 'bee/page.gif': expected a picture"),
        ({"x.png": GREY}, "entry 'x.png': expected class/picture, .*, got 0 folders"),
        ({"bee/more/x.png": GREY}, "entry 'bee/more/x.png': .*, got 2 folders"),
        ({"bee/x.png": b""}, "entry 'bee/x.png': .* got one that cannot be read"),
        ({"bee/x.png": b"no picture"}, "entry 'bee/x.png': .* got one that cannot be read"),
        ({"bee/x.png": GREY[:-30]}, "entry 'bee/x.png': .* got one that cannot be read"),
        ({"bee/x.png": GREY[:45] + b"x" + GREY[46:]}, "entry 'bee/x.png': .* cannot be read"),
        ({"cat/x.png": GREY}, "the folders: .* at least 2 rows of each class, got 1 of 'cat'"),
        ({f"{'c' * 129}/{row}.png": GREY for row in (0, 1)}, "at most 128 characters, got 129"),
    ],
)
def test_a_bad_entry_is_refused_by_its_name(
    tmp_path: Path, extra: dict[str, bytes], message: str
) -> None:
    with pytest.raises(RefusedUpload, match=message) as caught:
        parsed(tmp_path, {**GOOD, **extra})
    assert caught.value.field == "file"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a zip file, got one that cannot be read"),
        (b"PK\x05\x06" + bytes(18), "expected pictures in folders named for their classes"),
        (zip_bytes(GOOD)[:-40], "expected a zip file, got one that cannot be read"),
        (zip_bytes(TWICE_ANTS), "the folders: expected at least two classes, got only 'ant'"),
        (zip_bytes({"a/1.png": GREY, "b/1.png": GREY}), "expected at least 10 rows, got 2"),
    ],
)
def test_a_file_that_is_no_such_zip_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(RefusedUpload, match=message):
        parsed(tmp_path, data)


def changed(change: Any, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The good files and `bee/x.png`, whose place in the zip's directory is changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, value in GOOD.items():
            zipped.writestr(name, value)
        entry = zipfile.ZipInfo("bee/x.png")
        entry.compress_type = compression
        zipped.writestr(entry, GREY)
        change(entry)
    return file.getvalue()


def link(entry: zipfile.ZipInfo) -> None:
    entry.external_attr = 0o120777 << 16


def encrypt(entry: zipfile.ZipInfo) -> None:
    entry.flag_bits |= 1


def lie(entry: zipfile.ZipInfo) -> None:
    entry.file_size = 3


def spoil(entry: zipfile.ZipInfo) -> None:
    entry.CRC ^= 1


def leave(entry: zipfile.ZipInfo) -> None:
    """Nothing."""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(link), "got a symbolic link"),
        (changed(encrypt), "got an encrypted one"),
        (changed(lie), "got a damaged one"),
        (changed(spoil), "got a damaged one"),
        (changed(leave, zipfile.ZIP_LZMA), "got another compression"),
        (changed(leave, zipfile.ZIP_BZIP2), "got another compression"),
    ],
    ids=["link", "encrypted", "lying size", "wrong digest", "lzma", "bzip2"],
)
def test_an_entry_that_is_no_plain_file_is_refused(
    tmp_path: Path, data: bytes, message: str
) -> None:
    with pytest.raises(RefusedUpload, match=f"entry 'bee/x.png': .*{message}"):
        parsed(tmp_path, data)


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    data = zip_bytes({**GOOD, "bee/x.png": GREY}).replace(b"bee/x.png", b"bee/1.png")
    with pytest.raises(RefusedUpload, match=r"entry 'bee/1.png': expected each name once"):
        parsed(tmp_path, data)


def bomb(size: int) -> dict[str, bytes]:
    """Pictures followed by what no decoder reads."""
    return {**GOOD, **{f"bee/{name}.png": GREY + bytes(size) for name in "xyz"}}


@pytest.mark.parametrize(
    ("module", "limit", "value", "message"),
    [
        (archives, "MAX_BYTES", 250_000, "at most 250000 bytes unpacked, .* entry 'bee/z.png'"),
        (image_folders, "MAX_ENTRY_BYTES", 90_000, "entry 'bee/x.png': .* at most 90000 bytes"),
        (archives, "MAX_ENTRIES", 14, "expected at most 14 entries, got 15"),
        (image_folders, "MAX_TOTAL_PIXELS", 300, "entry 'bee/x.png': .* at most 300 pixels"),
        (content, "MAX_ARRAY_BYTES", 1000, "fewer or smaller pictures"),
    ],
)
def test_a_bomb_is_refused_before_it_has_unfolded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    limit: str,
    value: int,
    message: str,
) -> None:
    data = zip_bytes(bomb(100_000))
    assert len(data) < 10_000
    assert len(parsed(tmp_path, data).dataset.inputs) == 15
    monkeypatch.setattr(module, limit, value)
    with pytest.raises(RefusedUpload, match=message):
        parsed(tmp_path, data)


def test_what_the_header_says_of_the_size_is_not_believed(tmp_path: Path) -> None:
    """Each of both sizes in each of both headers says one byte."""
    data = bytearray(zip_bytes(bomb(100_000)))
    for mark, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = data.find(mark)
        while at >= 0:
            data[at + place : at + place + 4] = struct.pack("<I", 1)
            at = data.find(mark, at + 1)
    with pytest.raises(RefusedUpload, match="got a damaged one"):
        parsed(tmp_path, bytes(data))


@pytest.mark.parametrize("side", [8_000, 20_000])
def test_a_picture_of_far_too_many_pixels_is_refused_undecoded(tmp_path: Path, side: int) -> None:
    small = picture_bytes(np.zeros((1, 1), np.uint8))
    header = b"IHDR" + struct.pack(">II", side, side) + small[24:29]
    huge = small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]
    with pytest.raises(RefusedUpload, match=r"entry 'bee/x.png': expected at most 50000000 pixels"):
        parsed(tmp_path, {**GOOD, "bee/x.png": huge})
