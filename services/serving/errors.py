"""What serving alone can answer with."""

from __future__ import annotations

from services.errors import ServiceError


class Unsupported(ServiceError):
    """A part of the protocol that this server does not have."""

    code = "not_supported"


class Abandoned(Exception):
    """The client went away before its request was run; it is not run any more."""
