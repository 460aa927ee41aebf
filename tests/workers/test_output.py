"""Lines out of bytes, and not too many of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.output import BURST, LINES_PER_S, Lines, Printed


@given(st.lists(st.text(alphabet="ab ", max_size=9), max_size=9), st.integers(1, 7))
def test_lines_are_the_same_however_the_bytes_come(lines: list[str], size: int) -> None:
    data = "\n".join(lines).encode()
    seen: list[bytes] = []
    cutter = Lines(seen.append, limit=100)
    for start in range(0, len(data), size):
        cutter.feed(data[start : start + size])
    cutter.flush()
    assert seen == [line.encode() for line in lines if line]


def test_a_line_without_end_takes_no_more_memory_than_the_limit() -> None:
    seen: list[bytes] = []
    cutter = Lines(seen.append, limit=10)
    for _ in range(100):
        cutter.feed(b"abcdefg")
    cutter.feed(b"\nnext\n")
    assert seen == [b"abcdefgabc", b"next"]


def test_lines_pass_at_a_rate_and_the_rest_is_counted() -> None:
    now = [0.0]
    told: list[str] = []
    printed = Printed(told.append, lambda: now[0])
    for number in range(BURST + 50):
        printed.line(b"%d" % number)
    assert told == [str(number) for number in range(BURST)]
    now[0] += 2 / LINES_PER_S
    for _ in range(3):
        printed.line(b"later")
    printed.flush()
    assert told[BURST:] == ["… 50 lines left out", "later", "later", "… 1 line left out"]
    printed.flush()
    assert len(told) == BURST + 4


def test_empty_lines_are_not_told() -> None:
    told: list[str] = []
    printed = Printed(told.append, lambda: 0.0)
    for line in (b"", b"  ", b"\r", b"text\r"):
        printed.line(line)
    assert told == ["text"]
