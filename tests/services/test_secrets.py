"""Passwords that are made once, and what is made of them."""

from __future__ import annotations

import configparser
import json
import stat
from pathlib import Path

import pytest
from sqlalchemy import make_url

from services import secrets
from services.settings import Settings


def test_passwords_are_made_once_and_the_settings_have_them(tmp_path: Path) -> None:
    secrets.make(tmp_path)
    first = {file.name: file.read_text() for file in tmp_path.iterdir()}
    (tmp_path / "torchkiln_redis_url").unlink()
    secrets.make(tmp_path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == first
    assert make_url(first["torchkiln_database_url"]).password == first["postgres_password"]
    assert make_url(first["torchkiln_redis_url"]).password == first["redis_password"]


def test_settings_are_read_from_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.make(tmp_path)
    monkeypatch.setenv("TORCHKILN_SECRETS_DIR", str(tmp_path))
    settings = Settings()
    assert settings.database_url == (tmp_path / "torchkiln_database_url").read_text()
    assert settings.redis_url == (tmp_path / "torchkiln_redis_url").read_text()


def test_the_object_store_and_its_clients_have_the_same_key(tmp_path: Path) -> None:
    secrets.make(tmp_path)
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(tmp_path / "aws_credentials")
    (identity,) = json.loads((tmp_path / "s3.json").read_text())["identities"]
    (credentials,) = identity["credentials"]
    assert credentials["accessKey"] == parser["default"]["aws_access_key_id"]
    assert credentials["secretKey"] == parser["default"]["aws_secret_access_key"]


def test_readers_of_other_images_can_read_and_nobody_can_write(tmp_path: Path) -> None:
    secrets.make(tmp_path)
    modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {0o444}
