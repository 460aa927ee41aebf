"""Tables in the one style of the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

LINK = """
<q-td :props="props"><a v-if="props.row.TARGET" :href="props.row.TARGET">{{ props.value }}</a>
<span v-else>{{ props.value }}</span></q-td>
"""
STATUS = """
<q-td :props="props"><span v-if="props.value" :class="'status status-' + props.value">
{{ props.value }}</span></q-td>
"""


def table(
    columns: Mapping[str, str],
    *,
    label: str,
    rows: Sequence[dict[str, Any]] = (),
    key: str = "id",
    wide: Sequence[str] = (),
    links: Mapping[str, str] | None = None,
    status: str | None = None,
) -> ui.table:
    """`columns` are headings by field. Those in `wide` are left out on a phone; `links` names,
    by column, the field that holds a cell's address; `status` is the column of states."""
    made = ui.table(
        columns=[_column(name, heading, name in wide) for name, heading in columns.items()],
        rows=list(rows),
        row_key=key,
        pagination=0,
    )
    made.classes("table").props(
        f'flat hide-pagination hide-no-data aria-label="{label}" table-class="grid"'
    )
    for name, target in (links or {}).items():
        made.add_slot(f"body-cell-{name}", LINK.replace("TARGET", target))
    if status is not None:
        made.add_slot(f"body-cell-{status}", STATUS)
    return made


def _column(name: str, heading: str, wide: bool) -> dict[str, Any]:
    only = "wide-only" if wide else ""
    return {
        "name": name,
        "label": heading,
        "field": name,
        "align": "left",
        "classes": only,
        "headerClasses": only,
    }


def fill(made: ui.table, rows: list[dict[str, Any]]) -> None:
    """Show other rows; the browser is told only of a change."""
    if made.rows != rows:
        made.rows = rows
