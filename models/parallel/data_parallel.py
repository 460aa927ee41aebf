"""One training in one process or in several: what `models.training` does differently in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.batches import Batch, Rows, batches
from models.determinism import derive, random_state, restore_random_state, seed_everything
from models.evaluation import Measure, evaluate
from models.parallel.distributed import Ranks
from models.parallel.sharding import Share, share

ASIDE = 3
"""What goes along with the gradients: the loss, and whether rank 0 wants to stop, or to save."""


class Alone:
    """A training in this process only; `DataParallel` says what these methods are for."""

    def begin(self, seed: int) -> None: ...

    def end(self) -> None: ...

    def batches(self, rows: Rows, order: Tensor, size: int, first: int) -> Iterator[Batch]:
        return batches(rows, order, size, first)

    def average(self, loss: Tensor, rows: int) -> tuple[Tensor, int]:
        return loss, rows

    def agree(self, reason: str | None, due: bool) -> tuple[str | None, bool]:
        return reason, due

    def told(self, value: bool) -> bool:
        return value

    def evaluate(
        self, net: nn.Module, rows: Rows, loss: nn.Module | None, measures: Mapping[str, Measure]
    ) -> dict[str, Tensor]:
        return evaluate(net, rows, loss, measures)

    def take_buffers(self) -> None: ...

    def gather_random(self, state: dict[str, Any]) -> dict[str, Any]:
        return state

    def own_random(self, saved: dict[str, Any]) -> dict[str, Any]:
        return {**saved, "random": _each_random(saved)[0]}

    def world_sizes(self, saved: Mapping[str, Any]) -> list[int]:
        """Of the run that a checkpoint is of, and of this one."""
        return [len(_each_random(saved)), 1]


class DataParallel(Alone):
    """A training of which this process has a part.

    Gradients are averaged in a copy, behind which there is room for what else has to be agreed.
    So all ranks stop, and save, at the same step, at no cost but that of reading the answer: on a
    GPU that is the one wait for the device which a single process does not have.
    """

    def __init__(self, ranks: Ranks, model: nn.Module, values: Tensor, grad: Tensor) -> None:
        """`values` and `grad` hold all of the trainable parameters of `model`."""
        self._ranks = ranks
        self._model = model
        self._values = values
        self._grad = grad
        self._sent = grad.new_zeros(grad.numel() + ASIDE)
        self._averaged = self._sent[: grad.numel()]
        self._aside = self._sent[grad.numel() :]
        self._rows = 0
        self._weight = 0.0
        self._reason: str | None = None
        self._wanted = (False, False)
        self._agreed = (False, False)

    def begin(self, seed: int) -> None:
        """Start from rank 0's weights. What is random from here on, dropout for one, differs: two
        ranks that dropped the same units would average out less."""
        self._ranks.follow([self._values, *self._model.buffers()])
        if not self._ranks.leads:
            seed_everything(derive(seed, "rank", self._ranks.rank))

    def end(self) -> None:
        """Go on with the same random numbers again, so that what comes next is the same."""
        device = self._values.device
        restore_random_state(self._ranks.told(random_state(device)), device)

    def batches(self, rows: Rows, order: Tensor, size: int, first: int) -> Iterator[Batch]:
        """This rank's share of each batch that a single process would take."""
        for index in order[first * size :].to(rows.inputs.device).split(size):
            own = self._share(len(index))
            self._rows, self._weight = len(index), own.weight
            yield rows.batch(index[own.rows])

    def average(self, loss: Tensor, rows: int) -> tuple[Tensor, int]:
        """Make the gradient that of the whole batch. → its loss and its rows."""
        torch.mul(self._grad, self._weight, out=self._averaged)
        self._aside[1:] = self._aside.new_tensor(self._wanted)
        self._aside[0] = loss * self._weight
        self._ranks.sum(self._sent)
        self._grad.copy_(self._averaged)
        stop, save = self._aside[1:].tolist()
        self._agreed = (stop > 0, save > 0)
        return self._aside[0].clone(), self._rows

    def agree(self, reason: str | None, due: bool) -> tuple[str | None, bool]:
        """→ why to stop, and whether to save, which rank 0 has told with the last gradient. What
        it wants now it tells with the next. A reason that is taken back after it was told counts:
        the other ranks stop already."""
        stop, save = self._agreed
        self._agreed = (False, False)
        told, self._reason = self._reason, reason
        if self._ranks.leads:
            self._wanted = (reason is not None, due and not save)
        return (reason or told or "rank 0 stops") if stop else None, save

    def told(self, value: bool) -> bool:
        """→ rank 0's."""
        told = torch.tensor([int(value)])
        self._ranks.follow([told])
        return bool(told)

    def evaluate(
        self, net: nn.Module, rows: Rows, loss: nn.Module | None, measures: Mapping[str, Measure]
    ) -> dict[str, Tensor]:
        """`models.evaluation.evaluate`, each rank a part of the rows; the same bits in each."""
        own = self._share(len(rows))
        found = evaluate(net, rows.part(own.rows), loss, measures)
        means = torch.stack([value.double() for value in found.values()]) * own.weight
        self._ranks.sum(means)
        return dict(zip(found, means.unbind(), strict=True))

    def take_buffers(self) -> None:
        """Rank 0's statistics of batch norm, as `DistributedDataParallel` has it. There they are
        sent before every step; but training writes them and does not read them, so that the end
        of an epoch is soon enough."""
        self._ranks.follow(self._model.buffers())

    def gather_random(self, state: dict[str, Any]) -> dict[str, Any]:
        """`state` with the random generators of all ranks, for a checkpoint."""
        return {**state, "random": self._ranks.gather(state["random"])}

    def own_random(self, saved: dict[str, Any]) -> dict[str, Any]:
        """The reverse. Of a rank that the checkpoint's run did not have chance stays as it is."""
        each, rank = _each_random(saved), self._ranks.rank
        own = each[rank] if rank < len(each) else random_state(self._values.device)
        return {**saved, "random": own}

    def world_sizes(self, saved: Mapping[str, Any]) -> list[int]:
        return [len(_each_random(saved)), self._ranks.size]

    def _share(self, rows: int) -> Share:
        return share(rows, self._ranks.rank, self._ranks.size)


def _each_random(saved: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The random state of each process is in a checkpoint, so only as many can go on exactly."""
    random: Any = saved["random"]
    return random if isinstance(random, list) else [random]
