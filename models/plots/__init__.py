"""The tutorial's plots as matplotlib figures, drawn without a display and without pyplot's state.

Each function takes plain numbers and gives a `Figure`; `models.artifacts` writes it. Imported only
when a run has something to draw, because matplotlib takes half a second.
"""

from __future__ import annotations

from models.plots.classification import confusion, decision_boundary
from models.plots.curves import curves
from models.plots.images import images
from models.plots.regression import compared_weights

__all__ = ["compared_weights", "confusion", "curves", "decision_boundary", "images"]
