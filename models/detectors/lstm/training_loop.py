"""Train any of the networks: Adam, one cycle of the learning rate, early stopping, the best epoch."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from eddy.models.core.detector import Bools, Ints, Progress

_GRADIENT_NORM = 1.0
_THREADS = 1  # a second thread costs more than it gains at these sizes, and the cores are shared
_VALIDATION_BATCH = 1024
_MIN_STEPS, _MIN_BATCH = 60, 16  # few windows make smaller batches, so that an epoch still has that many steps
_WARM_UP = 0.15  # share of all steps in which the learning rate rises


class Plan(Protocol):
    """Set how long and how fast to train; ``seconds`` > 0 stops after the first epoch past that time."""

    @property
    def epochs(self) -> int: ...
    @property
    def patience(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def windows_per_epoch(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def seconds(self) -> float: ...


Loss = Callable[[Ints, bool], Tensor]  # (rows of windows, whether they are trained on) -> mean loss


def seeded(seed: int, run: Callable[[], list[dict[str, float]]]) -> list[dict[str, float]]:
    """Call ``run`` on one thread with torch's generator seeded; both are restored afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(min(_THREADS, threads))
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return run()
    finally:
        torch.set_num_threads(threads)


def train_network(
    network: nn.Module, loss: Loss, validation: Bools, plan: Plan, rng: np.random.Generator, progress: Progress
) -> list[dict[str, float]]:
    """Fit a network; afterwards it holds the weights of the epoch with the lowest validation loss.

    Args:
        network: trained in place.
        loss: returns the mean loss of some windows.
        validation: (N,) True where a window is held out; if none is, the training windows are checked instead.
        plan: see :class:`Plan`. With ``seconds`` the result depends on the machine's speed.
        rng: draws the windows of each epoch.
        progress: called with the epoch.

    Returns:
        Per epoch ``epoch``, ``loss`` and ``validation_loss``.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=plan.learning_rate)
    training, held_out = np.flatnonzero(~validation), np.flatnonzero(validation)
    per_epoch = min(len(training), plan.windows_per_epoch)
    batch = min(plan.batch, max(per_epoch // _MIN_STEPS, _MIN_BATCH))
    steps = plan.epochs * -(-per_epoch // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.learning_rate, total_steps=steps, pct_start=_WARM_UP)
    checked = held_out[:: -(-len(held_out) // max(per_epoch // 4, 1))] if len(held_out) else training[:per_epoch]
    history: list[dict[str, float]] = []
    best, best_epoch, best_loss = copy.deepcopy(network.state_dict()), 0, np.inf
    started = time.monotonic()
    for epoch in range(1, plan.epochs + 1):
        network.train()
        total = 0.0
        chosen = rng.permutation(training)[:per_epoch]
        for begin in range(0, per_epoch, batch):
            rows = chosen[begin : begin + batch]
            mean = loss(rows, True)
            optimiser.zero_grad()
            mean.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_NORM)
            optimiser.step()
            schedule.step()
            total += float(mean.detach()) * len(rows)
            progress(f"epoch {epoch}/{plan.epochs}", (epoch - 1 + begin / per_epoch) / plan.epochs)
        reached = _validation_loss(network, loss, checked)
        history.append({"epoch": epoch, "loss": total / per_epoch, "validation_loss": reached})
        if reached < best_loss:
            best, best_epoch, best_loss = copy.deepcopy(network.state_dict()), epoch, reached
        late = 0 < plan.seconds < time.monotonic() - started
        if epoch - best_epoch >= plan.patience or late:
            break
    network.load_state_dict(best)
    network.eval()
    progress(f"best epoch {best_epoch}", 1.0)
    return history


def _validation_loss(network: nn.Module, loss: Loss, rows: Ints) -> float:
    network.eval()
    total = 0.0
    with torch.no_grad():
        for begin in range(0, len(rows), _VALIDATION_BATCH):
            part = rows[begin : begin + _VALIDATION_BATCH]
            total += float(loss(part, False)) * len(part)
    return total / max(len(rows), 1)
