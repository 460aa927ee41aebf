"""The bucket of a new installation, made on a real S3 server."""

from __future__ import annotations

import fsspec
import pytest

from services import bucket
from tests.support import s3


def test_a_bucket_is_made_and_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3.server() as endpoint:
        for name, value in s3.environment(endpoint).items():
            monkeypatch.setenv(name, value)
        for _ in range(2):
            assert bucket.make("s3://new-bucket/some/files") == "new-bucket"
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        assert files.ls("") == [s3.BUCKET, "new-bucket"]


@pytest.mark.parametrize("url", ["", "file:///srv/files", "s3://", "s3:///files"])
def test_what_names_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="TORCHKILN_STORAGE_URL: expected s3://bucket/prefix, got"):
        bucket.make(url)
