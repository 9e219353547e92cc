"""Train the classic LSTM autoencoders with torch. Only imported when a model is fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from eddy.models.core.detector import Bools, Floats, Ints, Progress
from eddy.models.detectors.lstm.sequence_networks import EncoderDecoderNetwork, Floats32, RepeatVectorNetwork, exported
from eddy.models.detectors.lstm.training_loop import Plan, seeded, train_network


@dataclass(frozen=True)
class SequenceSet:
    """Hold the windows to train on, without copying any.

    Attributes:
        points: (T, F) scaled, cut and filled; ``valid`` (T, F) False where a value was missing or filled in.
        starts: (N,) first row of each window of ``window`` points.
        held_out: (N,) True where a window decides which epoch was best.
    """

    points: Floats
    valid: Bools
    starts: Ints
    window: int
    held_out: Bools


TrainedWeights = tuple[dict[str, Floats32], list[dict[str, float]]]  # weights of the best epoch, losses per epoch


def train_repeat_vector(
    data: SequenceSet, units: Sequence[int], plan: Plan, seed: int, progress: Progress
) -> TrainedWeights:
    """Minimise the mean squared error over the window."""

    def build() -> tuple[nn.Module, Callable[[Tensor, bool], Tensor]]:
        network = RepeatVectorNetwork(data.points.shape[1], units)
        return network, lambda window, learning: network(window)

    return _train(data, build, plan, seed, progress)


def train_encoder_decoder(data: SequenceSet, hidden: int, plan: Plan, seed: int, progress: Progress) -> TrainedWeights:
    """Minimise the mean squared error; the decoder gets true points in training, its own in validation."""

    def build() -> tuple[nn.Module, Callable[[Tensor, bool], Tensor]]:
        network = EncoderDecoderNetwork(data.points.shape[1], hidden)
        return network, lambda window, learning: network(window, data.window, learning).flip(1)

    return _train(data, build, plan, seed, progress)


def _train(
    data: SequenceSet,
    build: Callable[[], tuple[nn.Module, Callable[[Tensor, bool], Tensor]]],
    plan: Plan,
    seed: int,
    progress: Progress,
) -> TrainedWeights:
    points = torch.from_numpy(data.points.astype(np.float32))
    valid = torch.from_numpy(data.valid.astype(np.float32))
    starts, offsets = torch.from_numpy(data.starts), torch.arange(data.window)
    arrays: dict[str, Floats32] = {}

    def run() -> list[dict[str, float]]:
        network, rebuild = build()

        def loss(rows: Ints, learning: bool) -> Tensor:
            at = starts[torch.from_numpy(rows)][:, None] + offsets
            window, weight = points[at], valid[at]
            return ((rebuild(window, learning) - window) ** 2 * weight).sum() / weight.sum().clamp(min=1)

        history = train_network(network, loss, data.held_out, plan, np.random.default_rng(seed), progress)
        arrays.update(exported(network))
        return history

    history = seeded(seed, run)
    return arrays, history
