"""Optimizers and learning-rate schedules by name, for the one flat parameter of `models.flat`.

State, options and schedules are torch's own. Only the update is made here: the same operations in
the same order as `torch.optim`'s, without what its `step` does around them (profiler ranges, hooks,
graph breaks, sorting of parameters by device and type), which costs several times the arithmetic of
a small model. The tests hold the two bit-equal. The arithmetic is that of torch's default on the
CPU and not of its `fused=True` kernels, which differ in the last digits: so a job repeats the
tutorial's loop bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from torch import Tensor, optim
from torch.optim import lr_scheduler

from models.params import Optimizer, OptimizerName, Scheduler, SchedulerName


class Hand(NamedTuple):
    """What a rule works on; it changes `value` and `state` in place."""

    options: dict[str, Any]
    value: Tensor
    grad: Tensor
    state: dict[str, Any]


Rule = Callable[[Hand], None]


def sgd(hand: Hand) -> None:
    change = hand.grad
    if momentum := hand.options["momentum"]:
        change: Tensor = hand.state["momentum_buffer"]
        change.mul_(momentum).add_(hand.grad, alpha=1 - hand.options["dampening"])
    hand.value.add_(change, alpha=-hand.options["lr"])


def adagrad(hand: Hand) -> None:
    options, state = hand.options, hand.state
    state["step"] += 1
    rate = options["lr"] / (1 + (state["step"].item() - 1) * options["lr_decay"])
    total: Tensor = state["sum"]
    total.addcmul_(hand.grad, hand.grad, value=1)
    hand.value.addcdiv_(hand.grad, total.sqrt().add_(options["eps"]), value=-rate)


def rmsprop(hand: Hand) -> None:
    options, state = hand.options, hand.state
    state["step"] += 1
    mean: Tensor = state["square_avg"]
    mean.mul_(options["alpha"]).addcmul_(hand.grad, hand.grad, value=1 - options["alpha"])
    root = mean.sqrt().add_(options["eps"])
    hand.value.addcdiv_(hand.grad, root, value=-options["lr"])


def adam(hand: Hand) -> None:
    options, state = hand.options, hand.state
    state["step"] += 1
    beta1, beta2 = options["betas"]
    step: float = state["step"].item()
    first: Tensor = state["exp_avg"]
    second: Tensor = state["exp_avg_sq"]
    first.lerp_(hand.grad, 1 - beta1)
    second.mul_(beta2).addcmul_(hand.grad, hand.grad, value=1 - beta2)
    root = second.sqrt().div_((1 - beta2**step) ** 0.5).add_(options["eps"])
    hand.value.addcdiv_(first, root, value=-(options["lr"] / (1 - beta1**step)))


def adamw(hand: Hand) -> None:
    hand.value.mul_(1 - hand.options["lr"] * hand.options["weight_decay"])
    adam(hand)


Make = Callable[[list[Tensor], Optimizer], optim.Optimizer]

OPTIMIZERS: dict[OptimizerName, tuple[Rule, Make]] = {
    "sgd": (sgd, lambda given, p: optim.SGD(given, p.lr, **_shared(p))),
    "momentum": (sgd, lambda given, p: optim.SGD(given, p.lr, p.momentum, **_shared(p))),
    "adagrad": (adagrad, lambda given, p: optim.Adagrad(given, p.lr, **_shared(p))),
    "rmsprop": (rmsprop, lambda given, p: optim.RMSprop(given, p.lr, **_shared(p))),
    "adam": (adam, lambda given, p: optim.Adam(given, p.lr, **_shared(p))),
    "adamw": (adamw, lambda given, p: optim.AdamW(given, p.lr, **_shared(p))),
}


def _shared(params: Optimizer) -> dict[str, Any]:
    # Of one parameter there is nothing to gain from the `foreach` kernels, torch's choice on CUDA.
    return {"weight_decay": params.weight_decay, "foreach": False}


class FlatOptimizer:
    """One of torch's optimizers, of exactly one parameter, whose `grad` is always set."""

    def __init__(self, parameter: Tensor, params: Optimizer) -> None:
        self._rule, make = OPTIMIZERS[params.name]
        self._parameter = parameter
        self._primed = False
        self.torch = make([parameter], params)
        """What schedules act on, and what a checkpoint holds the state of."""
        self._decayed = params.weight_decay != 0 and params.name != "adamw"

    @property
    def lr(self) -> float:
        return float(self.torch.param_groups[0]["lr"])

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.torch.load_state_dict(state)
        # A schedule that is stepped before the first update warns, unless it sees that there were
        # updates: those of the run before count.
        self.torch.__dict__["_opt_called"] = bool(state["state"])

    def update(self) -> None:
        """What `torch.step()` does to the parameter and the state, sooner."""
        if not self._primed:  # torch makes its state, and a schedule sees that a step was taken
            self.torch.step()
            self._primed = True
            return
        options = self.torch.param_groups[0]
        value, grad = self._parameter.detach(), cast(Tensor, self._parameter.grad)
        if self._decayed:
            grad = grad.add(value, alpha=options["weight_decay"])
        self._rule(Hand(options, value, grad, self.torch.state[self._parameter]))


Schedule = lr_scheduler.LRScheduler | lr_scheduler.ReduceLROnPlateau


def _onecycle(optimizer: optim.Optimizer, params: Scheduler, epochs: int) -> Schedule:
    peak = params.max_lr or 10 * float(optimizer.param_groups[0]["lr"])
    has_momentum = "betas" in optimizer.defaults or bool(optimizer.defaults.get("momentum"))
    return lr_scheduler.OneCycleLR(optimizer, peak, total_steps=epochs, cycle_momentum=has_momentum)


SCHEDULERS: dict[SchedulerName, Callable[[optim.Optimizer, Scheduler, int], Schedule | None]] = {
    "none": lambda _optimizer, _params, _epochs: None,
    "step": lambda optimizer, p, _epochs: lr_scheduler.StepLR(optimizer, p.step_size, p.gamma),
    "exponential": lambda optimizer, p, _epochs: lr_scheduler.ExponentialLR(optimizer, p.gamma),
    "cosine": lambda optimizer, _p, epochs: lr_scheduler.CosineAnnealingLR(optimizer, epochs),
    "plateau": lambda optimizer, p, _epochs: lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=p.gamma, patience=p.patience
    ),
    "onecycle": _onecycle,
}


def build_scheduler(optimizer: FlatOptimizer, params: Scheduler, epochs: int) -> Schedule | None:
    """To be stepped after each of `epochs` epochs but the last, `plateau` with the watched loss."""
    return SCHEDULERS[params.name](optimizer.torch, params, epochs)
