"""How fast a loaded model is, and what that says of calls that wait for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How long a call takes: so much for itself, and so much for each row."""

    call_s: float
    row_s: float

    def expected_s(self, rows: int) -> float:
        return self.call_s + self.row_s * rows

    def rows_within(self, seconds: float) -> float:
        """How many may be expected to take no longer; less than 0 where not even none may."""
        return (seconds - self.call_s) / max(self.row_s, 1e-12)
