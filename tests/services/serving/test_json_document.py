"""What is JSON, and what of it is read."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import Invalid
from services.serving.json_document import LARGE, parse_object


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False, allow_infinity=False)))
def test_integers_of_any_size_are_numbers(numbers: dict[str, float]) -> None:
    """Python's `json`, and so most clients, writes them as they are."""
    numbers = {name: value for name, value in numbers.items() if "\0" not in name}
    fields = [b"%s: %s" % (orjson.dumps(name), b"%r" % it) for name, it in numbers.items()]
    found = parse_object(b"{%s}" % b", ".join(fields)).as_dict()
    assert found == pytest.approx(numbers, rel=1e-15, abs=0)


def test_integers_of_64_bits_are_exact_unless_larger_ones_are_beside_them() -> None:
    exact = {"low": -(2**63), "high": 2**64 - 1}
    assert parse_object(orjson.dumps(exact)).as_dict() == exact
    beside = parse_object(b'{"low": -9223372036854775808, "huge": 1%s}' % (b"0" * 30)).as_dict()
    assert beside == {"low": -(2**63), "huge": 1e30}


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": 1' + b"0" * 400 + b"}", "infinity"),
        (b'{"a": 1e999}', "infinity"),
        (b'{"a": NaN}', "unexpected character"),
        (b'{"a": 1' + b"0" * 30 + b"} x", "unexpected content"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": ' + b"[" * 100_000, "depth"),
        (b'{"a": ' + b"[" * 300 + b"1" * 30 + b"]" * 300 + b"}", "Big integer"),
        (b"", "empty|end"),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(text: bytes, reason: str, size: int) -> None:
    with pytest.raises(Invalid, match=f"(?i){reason}") as caught:
        parse_object(text + b" " * size)
    assert caught.value.code == "invalid_json"


@pytest.mark.parametrize("text", [b"[]", b"3", b"1" * 30, b"null"])
def test_json_that_is_no_object_is_refused_as_that(text: bytes) -> None:
    with pytest.raises(Invalid, match="not a JSON object"):
        parse_object(text)
