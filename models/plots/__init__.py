"""The tutorial's plots as matplotlib figures, drawn without a display and without pyplot's state.

Each function takes plain numbers and gives a `Figure`; `models.artifacts` writes it. Imported only
when a run has something to draw, because matplotlib takes half a second.
"""

from __future__ import annotations

from models.plots.classification import confusion, decision_boundary, roc
from models.plots.curves import curves
from models.plots.embedding import embedding_map
from models.plots.experiments import fitted, histograms
from models.plots.feature_maps import feature_maps
from models.plots.functions import Panel, functions
from models.plots.images import images
from models.plots.masks import masks
from models.plots.regression import compared_weights, predictions
from models.plots.sequences import Attended, attention_maps

__all__ = [
    "Attended",
    "Panel",
    "attention_maps",
    "compared_weights",
    "confusion",
    "curves",
    "decision_boundary",
    "embedding_map",
    "feature_maps",
    "fitted",
    "functions",
    "histograms",
    "images",
    "masks",
    "predictions",
    "roc",
]
