"""How to load a backend on this host: measured once, within a budget, and remembered."""

from __future__ import annotations

from models.tuning.notes import Choice
from models.tuning.tuner import Opened, Tuner

__all__ = ["Choice", "Opened", "Tuner"]
