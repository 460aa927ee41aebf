"""The tutorial's training loops as they stand there: sections 5, 6 and 7, one function each.

Changed are only: data and epochs are given, losses are returned and not printed, and the order of
rows comes from our permutation through a sampler, so that weights can be compared bit for bit. The
loaders have a generator of their own for the same reason: otherwise they draw from the one that
dropout draws from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Sampler, TensorDataset

from models.determinism import permutation

SEED = 0


class OurOrder(Sampler[int]):
    """What `shuffle=True` would do, with our permutation of (seed, epoch)."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._epoch = 0

    def __iter__(self) -> Iterator[int]:
        order = permutation(self._rows, SEED, self._epoch).tolist()
        self._epoch += 1
        return iter(order)

    def __len__(self) -> int:
        return self._rows


def loader(dataset: Any, batch_size: int, *, shuffle: bool) -> DataLoader[Any]:
    sampler = OurOrder(len(dataset)) if shuffle else None
    return DataLoader(dataset, batch_size=batch_size, sampler=sampler, generator=torch.Generator())


def linear_regression(X: Tensor, y: Tensor, num_epochs: int) -> nn.Module:  # noqa: N803
    dataset = TensorDataset(X, y)
    dataloader = loader(dataset, 32, shuffle=True)
    model = nn.Linear(10, 1)
    criterion = nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for _epoch in range(num_epochs):
        epoch_loss = 0.0
        for batch_X, batch_y in dataloader:  # noqa: N806
            outputs = model(batch_X)
            loss = criterion(outputs, batch_y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            epoch_loss += loss.item()
        losses.append(epoch_loss / len(dataloader))
    return model


class BinaryClassifier(nn.Module):
    def __init__(self, *, sigmoid: bool) -> None:
        super().__init__()
        self.layer1 = nn.Linear(2, 16)
        self.layer2 = nn.Linear(16, 16)
        self.layer3 = nn.Linear(16, 1)
        self.sigmoid = sigmoid

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.layer1(x))
        x = torch.relu(self.layer2(x))
        x = self.layer3(x)
        return torch.sigmoid(x) if self.sigmoid else x


def binary_classification(
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    num_epochs: int,
    *,
    with_logits: bool = False,
) -> nn.Module:
    """`with_logits`: the loss in its other form, which rounds as ours does; else the tutorial's."""
    train_loader = loader(TensorDataset(*train), 32, shuffle=True)
    test_loader = loader(TensorDataset(*test), 32, shuffle=False)
    model = BinaryClassifier(sigmoid=not with_logits)
    criterion = nn.BCEWithLogitsLoss() if with_logits else nn.BCELoss()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    train_losses, test_losses = [], []
    for _epoch in range(num_epochs):
        model.train()
        train_epoch_loss = 0.0
        for batch_X, batch_y in train_loader:  # noqa: N806
            outputs = model(batch_X)
            loss = criterion(outputs, batch_y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            train_epoch_loss += loss.item()
        train_losses.append(train_epoch_loss / len(train_loader))
        model.eval()
        test_epoch_loss = 0.0
        with torch.no_grad():
            for batch_X, batch_y in test_loader:  # noqa: N806
                outputs = model(batch_X)
                loss = criterion(outputs, batch_y)
                test_epoch_loss += loss.item()
        test_losses.append(test_epoch_loss / len(test_loader))
    return model


class MNISTClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(28 * 28, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 10)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.flatten(x)
        x = torch.relu(self.fc1(x))
        x = self.dropout(x)
        x = torch.relu(self.fc2(x))
        x = self.dropout(x)
        return self.fc3(x)


def calculate_accuracy(model: nn.Module, dataloader: DataLoader[Any], device: str = "cpu") -> float:
    model.eval()
    correct = 0
    total = 0
    with torch.no_grad():
        for data in dataloader:
            inputs, labels = data
            inputs, labels = inputs.to(device), labels.to(device)
            outputs = model(inputs)
            _, predicted = torch.max(outputs.data, 1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()
    return 100 * correct / total


def multiclass_classification(train_dataset: Any, test_dataset: Any, num_epochs: int) -> nn.Module:
    """The datasets are torchvision's, with the tutorial's transform: one picture at a time."""
    train_loader = loader(train_dataset, 64, shuffle=True)
    test_loader = loader(test_dataset, 1000, shuffle=False)
    model = MNISTClassifier()
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.001)
    train_losses, train_accuracies, test_accuracies = [], [], []
    for _epoch in range(num_epochs):
        model.train()
        running_loss = 0.0
        for inputs, labels in train_loader:
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        train_losses.append(running_loss / len(train_loader))
        train_accuracies.append(calculate_accuracy(model, train_loader))
        test_accuracies.append(calculate_accuracy(model, test_loader))
    return model
