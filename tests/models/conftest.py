"""Tests of small models, which one thread runs faster than two that wait for each other."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
