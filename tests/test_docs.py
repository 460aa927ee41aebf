"""What the documentation says about the code is so."""

from __future__ import annotations

from docs.generate import PAGE, page


def test_the_page_of_pipelines_is_as_the_code_is() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"
