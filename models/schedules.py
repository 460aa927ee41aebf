"""Learning-rate schedules of a training that is stopped and goes on, perhaps to another end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch.optim import lr_scheduler

from models.optimizers import Schedule

HORIZON = ("T_max", "total_steps", "_schedule_phases")
"""What a schedule knows of the end of training, by the names of torch's `state_dict`."""


def catch_up(scheduler: Schedule | None, epoch: int, loss: float) -> None:
    """Set the rate of the epoch after `epoch` finished ones, of which the last had the watched
    `loss`; nothing where that is done.

    When the epoch begins, and not when the one before it ends: after the last one there is none,
    and whether it is the last is for the next attempt to say.
    """
    if scheduler is None or scheduler.last_epoch >= epoch:
        return
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        scheduler.step(loss)
    else:
        scheduler.step()


def end_of(state: Mapping[str, Any]) -> int | None:
    """The number of epochs that a schedule is made for, by its state; None for any number."""
    return state.get("T_max", state.get("total_steps"))


def load(scheduler: Schedule, saved: Mapping[str, Any]) -> None:
    """Go on from a checkpoint's schedule, whose optimizer has been loaded. The end of training is
    the new one's; where it has moved, the rate goes on along the curve to the new end."""
    fresh = scheduler.state_dict()
    horizon = {name: fresh[name] for name in HORIZON if name in fresh}
    moved = any(saved[name] != value for name, value in horizon.items())
    scheduler.load_state_dict({**saved, **horizon})
    if moved and scheduler.last_epoch > 0:  # where all curves begin they are the same
        _join(scheduler)


def _join(scheduler: Schedule) -> None:
    """Put the rate on the curve, where the schedule is now."""
    if isinstance(scheduler, lr_scheduler.CosineAnnealingLR):
        # torch computes each rate from the one before, which was on the other curve: Loshchilov and
        # Hutter, "SGDR" (ICLR 2017), equation 5.
        share = (1 + math.cos(math.pi * scheduler.last_epoch / scheduler.T_max)) / 2
        for group, base in zip(scheduler.optimizer.param_groups, scheduler.base_lrs, strict=True):
            group["lr"] = scheduler.eta_min + (base - scheduler.eta_min) * share
    elif isinstance(scheduler, lr_scheduler.OneCycleLR):
        scheduler.last_epoch -= 1
        scheduler.step()
