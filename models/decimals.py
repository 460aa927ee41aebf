"""Which text is a number: one rule for tables that are trained on and tables that are predicted."""

from __future__ import annotations

import math


def is_number(cell: str) -> bool:
    """Decimal notation only: Python would also take `nan`, `1_000` and digits of other scripts."""
    if not cell.isascii() or "_" in cell:
        return False
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False
