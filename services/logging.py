"""Structured logs: one JSON object a line on standard error, the same in every process.

Everything goes through here, structlog's loggers and those of the libraries alike. What is bound
with `bind` (a request's or a job's id) is on every line of that thread or task until `unbind`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Literal, TextIO

import orjson
import structlog
from structlog.typing import Processor

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]

LEVELS: dict[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

QUIET = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "PIL": logging.WARNING}
"""Libraries whose own info lines would drown ours."""


def configure(
    process: str,
    *,
    level: Level = "info",
    log_format: Format = "json",
    stream: TextIO | None = None,
) -> None:
    """Set up logging for a whole process. `process` is on every line: `api`, `worker`, `trainer`.

    Call once, at the entry of the process; a second call replaces the first.
    """
    shared = _shared(process)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # loggers made before this call follow it too
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(log_format),
            ],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(LEVELS[level])
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    logging.captureWarnings(capture=True)


def bind(**values: str | int) -> Mapping[str, Any]:
    """Put `values` on the lines that follow. → tokens for `unbind`."""
    return structlog.contextvars.bind_contextvars(**values)


def unbind(tokens: Mapping[str, Any]) -> None:
    """Take back what a `bind` of the same thread or task has put on."""
    structlog.contextvars.reset_contextvars(**tokens)


def bound(**values: str | int) -> AbstractContextManager[None]:
    """`bind` for the length of a block."""
    return structlog.contextvars.bound_contextvars(**values)


def _shared(process: str) -> list[Processor]:
    def name_process(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
        event["process"] = process
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        name_process,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _rendering(log_format: Format) -> list[Processor]:
    if log_format == "console":
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=_to_json),
    ]


def _to_json(value: Any, default: Any = None, **_: Any) -> str:
    try:
        return orjson.dumps(value, default=default or repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # what it refuses, half a surrogate pair for one, is still worth a line
        return json.dumps(value, default=default or repr)
