from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from models.files import sha256, write_atomically


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    for content in (b"one", b"another"):
        write_atomically(file, content)
        assert file.read_bytes() == content
        assert sha256(file) == hashlib.sha256(content).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.onnx"
    write_atomically(file, b"whole")

    def full(_: int) -> Any:
        raise OSError("no space left on device")

    monkeypatch.setattr("models.files.os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(file, b"half")
    assert file.read_bytes() == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
