"""The passwords of an installation, made once: `python -m services.secrets DIRECTORY`.

Each is a file that only its readers' containers mount. Settings are read from files of their own
names in TORCHKILN_SECRETS_DIR (see `services.settings`), so the URLs that hold passwords are among
them. What is there already is left as it is.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path

from models.files import write_atomically

BYTES = 32


def make(directory: Path) -> None:
    """A password for each part, and the settings and files made of them."""
    directory.mkdir(parents=True, exist_ok=True)
    postgres, redis = _once(directory, "postgres_password"), _once(directory, "redis_password")
    urls = {
        "torchkiln_database_url": f"postgresql://torchkiln:{postgres}@postgres/torchkiln",
        "torchkiln_redis_url": f"redis://:{redis}@redis:6379/0",
    }
    for name, url in urls.items():
        _write(directory / name, url)
    _once(directory, "grafana_password")
    key, secret = _once(directory, "s3_key"), _once(directory, "s3_secret")
    _write(directory / "s3.json", _identities(key, secret))
    lines = ("[default]", f"aws_access_key_id = {key}", f"aws_secret_access_key = {secret}", "")
    _write(directory / "aws_credentials", "\n".join(lines))


def _identities(key: str, secret: str) -> str:
    """Who may use the S3 server, as SeaweedFS reads it."""
    credentials = [{"accessKey": key, "secretKey": secret}]
    owner = {"name": "torchkiln", "credentials": credentials, "actions": ["Admin"]}
    return json.dumps({"identities": [owner]})


def _once(directory: Path, name: str) -> str:
    file = directory / name
    if not file.exists():
        _write(file, secrets.token_urlsafe(BYTES))
    return file.read_text()


def _write(file: Path, text: str) -> None:
    write_atomically(file, text.encode())
    file.chmod(0o444)  # the readers are users of other images; nobody else mounts the volume


if __name__ == "__main__":
    make(Path(sys.argv[1]))
