"""What the documentation says about the code is so."""

from __future__ import annotations

from docs.generate import PAGE, page
from tests.support import clients, clients_table


def test_the_page_of_pipelines_is_as_the_code_is() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


def test_the_table_of_clients_has_what_the_tests_run() -> None:
    rows = clients.written(clients_table.PAGE.read_text())
    assert rows == clients.marked(), "run `make docs-clients`"
