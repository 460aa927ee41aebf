"""Stored files over HTTP."""

from __future__ import annotations

from starlette.responses import FileResponse

from services.storage import Storage


def file_response(
    storage: Storage, key: str, *, name: str, media_type: str, sha256: str | None = None
) -> FileResponse:
    """The bytes of `key`, in ranges if asked. Raises `NotFound`.

    A browser shows pictures and text; it is told to take the media type as it stands and to run
    nothing, because what is in a file may come from a user's data.
    """
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    }
    if sha256 is not None:
        headers["ETag"] = f'"{sha256}"'
    return FileResponse(
        storage.local_path(key),
        media_type=media_type,
        filename=name,
        content_disposition_type="inline" if _is_shown(media_type) else "attachment",
        headers=headers,
    )


def _is_shown(media_type: str) -> bool:
    return media_type.startswith(("image/png", "image/jpeg", "application/json", "text/plain"))
