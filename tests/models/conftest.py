"""Tests of small models: one thread runs them faster than two that wait for each other."""

from __future__ import annotations

import torch
from hypothesis import settings

torch.set_num_threads(1)
# A busy machine is no failure.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
