"""The loop has the mathematics of the tutorial's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from models.determinism import permutation
from models.params import Optimizer
from tests.support.small_fit import ROWS, net, rows, train


def tutorial_loop(model: nn.Module, epochs: int, batch_size: int, lr: float) -> list[float]:
    """Section 7's loop as it is written there, over the same order of rows."""

    class Order:
        epoch = 0

        def __iter__(self) -> Any:
            self.epoch += 1
            return iter(permutation(ROWS, 0, self.epoch - 1).tolist())

        def __len__(self) -> int:
            return ROWS

    data = rows()
    loader = DataLoader(
        TensorDataset(data.inputs, data.targets),
        batch_size=batch_size,
        sampler=Order(),
        generator=torch.Generator(),  # of its own, so that dropout draws what it does in our loop
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses: list[float] = []
    for _ in range(epochs):
        model.train()
        total = 0.0
        for inputs, labels in loader:
            loss = criterion(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        losses.append(total / ROWS)
    return losses


def test_the_weights_are_those_of_the_tutorials_loop_bit_for_bit(tmp_path: Path) -> None:
    theirs = net()
    losses = tutorial_loop(theirs, epochs=4, batch_size=16, lr=0.01)
    trained, ours = train(tmp_path, optimizer=Optimizer(lr=0.01))
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    assert [epoch["train_loss"] for epoch in trained.history] == pytest.approx(losses, rel=1e-6)
