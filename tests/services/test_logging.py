from __future__ import annotations

import io
import json
import logging as std
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog

from services import logging


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    """Logging is the process's: leave it to the next test as it was."""
    root = std.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    std.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def test_both_kinds_of_loggers_write_the_same_lines() -> None:
    early = structlog.get_logger("early")
    stream = io.StringIO()
    logging.configure("api", stream=stream)
    early.info("made", rows=3)
    std.getLogger("library").warning("old %s", "style", extra={"rows": 4})
    first, second = lines(stream)
    assert (first["event"], first["rows"], first["level"]) == ("made", 3, "info")
    assert (second["event"], second["rows"], second["level"]) == ("old style", 4, "warning")
    for line in (first, second):
        assert line["process"] == "api"
        assert line["timestamp"].endswith("Z")
    assert (first["logger"], second["logger"]) == ("early", "library")


def test_what_is_bound_is_on_every_line_until_it_is_unbound() -> None:
    stream = io.StringIO()
    logging.configure("worker", stream=stream)
    tokens = logging.bind(job_id="job_1")
    with logging.bound(request_id="req_1"):
        std.getLogger("library").error("both")
    structlog.get_logger().info("one")
    logging.unbind(tokens)
    structlog.get_logger().info("none")
    both, one, none = lines(stream)
    assert (both["job_id"], both["request_id"]) == ("job_1", "req_1")
    assert one["job_id"] == "job_1"
    assert "request_id" not in one
    assert "job_id" not in none


def test_levels_are_kept() -> None:
    stream = io.StringIO()
    logging.configure("api", level="warning", stream=stream)
    structlog.get_logger().info("no")
    std.getLogger("library").info("no")
    structlog.get_logger().warning("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


def test_an_exception_is_one_line() -> None:
    stream = io.StringIO()
    logging.configure("api", stream=stream)
    try:
        raise ValueError("boom")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(stream)
    assert "ValueError: boom" in line["exception"]


def test_anything_can_be_logged() -> None:
    stream = io.StringIO()
    logging.configure("api", stream=stream)
    structlog.get_logger().info("odd", half="\ud800", thing=object(), keys={1: 2}, bits=b"\xff")
    assert json.loads(stream.getvalue())["event"] == "odd"


def test_for_people_there_is_a_form_that_people_read() -> None:
    stream = io.StringIO()
    logging.configure("api", log_format="console", stream=stream)
    structlog.get_logger().info("hello", rows=3)
    assert "hello" in stream.getvalue()
    assert "rows=3" in stream.getvalue()
