"""The bucket that files are kept in, made where there is none yet: `python -m services.bucket`.

Whoever runs an object store of their own makes buckets by their own rules; this is for the one
that docker-compose.yml brings along.
"""

from __future__ import annotations

import contextlib
import sys

import fsspec

from services.settings import Settings


def make(url: str) -> str:
    """→ its name. Raises `ValueError` where `url` names none."""
    scheme, _, rest = url.partition("://")
    bucket = rest.partition("/")[0]
    if scheme != "s3" or not bucket:
        raise ValueError(f"TORCHKILN_STORAGE_URL: expected s3://bucket/prefix, got {url!r}")
    files = fsspec.filesystem("s3")
    with contextlib.suppress(FileExistsError):
        files.mkdir(bucket)
    return bucket


if __name__ == "__main__":
    try:
        make(Settings().storage_url)
    except ValueError as error:
        sys.exit(f"torchkiln: {error}")
