"""Signatures of webhooks as Standard Webhooks has them (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """The key that a secret stands for. Raises `ValueError` where it stands for none."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if not key:
        raise ValueError(f"expected base64 after {PREFIX}")
    return key


def signature_headers(key: bytes, delivery_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """`timestamp`: seconds since 1970, of this try; a receiver refuses what is too old."""
    signed = b"%s.%d.%s" % (delivery_id.encode(), timestamp, body)
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
