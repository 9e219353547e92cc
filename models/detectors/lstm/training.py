"""Train the LSTM autoencoder with torch. Only imported when a model is fitted: scoring never loads torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eddy.models.core.detector import Bools, Floats, Ints, Progress
from eddy.models.detectors.lstm.training_loop import seeded, train_network

Floats32 = NDArray[np.float32]

_HUBER = 2.0  # scales; beyond it the loss grows linearly, so single anomalies in training data have little effect
_UNSEEN_SHARE = 0.1  # of training windows whose series is hidden, to learn for unseen series


@dataclass(frozen=True)
class TrainingSet:
    """Hold all windows of all series, without copying any: one long array and the starts of the windows.

    Attributes:
        points: (T, F) scaled, filled; ``valid`` (T, F) False where the value was missing or filled in.
        starts: (N,) first row of each window; ``series`` (N,) index of its series; ``phase`` (N, P).
        validation: (N,) True where the window is held out.
    """

    points: Floats32
    valid: Bools
    starts: Ints
    series: Ints
    phase: Floats
    validation: Bools


@dataclass(frozen=True)
class Architecture:
    """Set the sizes of the network and its training; the names are those of the detector's parameters."""

    window: int
    features: int
    series: int
    phase: int
    hidden: int
    hidden_points: int
    rebuilt: int
    judged: int
    embedding: int
    epochs: int
    patience: int
    batch: int
    windows_per_epoch: int
    learning_rate: float
    corrupted: float
    seconds: float
    clip: float


class Network(nn.Module):
    """Chain LSTM → repeat → LSTM → dense; the decoder starts at the newest point and runs backwards in time."""

    def __init__(self, size: Architecture) -> None:
        super().__init__()
        self.size = size
        self.encoder = nn.LSTM(size.features, size.hidden)
        self.embedding = nn.Embedding(size.series, size.embedding)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.decoder = nn.LSTM(size.hidden + size.phase + size.embedding, size.hidden)
        self.dense = nn.Linear(size.hidden, size.features)

    def forward(self, x: Tensor, phase: Tensor, series: Tensor, known: Tensor, steps: int) -> Tensor:
        """Return (n, steps, F), newest point first, from (n, T, F) input; ``known`` (n, 1) 0 hides the series."""
        _, (state, _) = self.encoder(x.transpose(0, 1).contiguous())  # time first: half the cost on a CPU
        code = torch.cat([state[-1], phase, self.embedding(series) * known], dim=1)
        decoded, _ = self.decoder(code.expand(steps, -1, -1))
        return self.dense(decoded).transpose(0, 1)  # type: ignore[no-any-return]

    def begin_from(self, arrays: Mapping[str, Floats32]) -> None:
        """Load weights that :meth:`arrays` returned; the embedding has a row for each of this network's series."""
        torch_names = {"input": "weight_ih_l0", "recurrent": "weight_hh_l0", "bias": "bias_ih_l0"}
        state = self.state_dict()
        for layer in ("encoder", "decoder"):
            for ours, theirs in torch_names.items():
                state[f"{layer}.{theirs}"] = torch.from_numpy(arrays[f"{layer}.{ours}"].copy())
            state[f"{layer}.bias_hh_l0"] = torch.zeros_like(state[f"{layer}.bias_hh_l0"])  # summed in the artifact
        for name in ("weight", "bias"):
            state[f"dense.{name}"] = torch.from_numpy(arrays[f"dense.{name}"].copy())
        state["embedding.weight"] = torch.from_numpy(arrays["embedding"].copy())
        self.load_state_dict(state)

    def arrays(self) -> dict[str, Floats32]:
        """Return weights for the artifact, in torch's own layout, the two biases of each LSTM added."""
        state = {k: v.detach().numpy().astype(np.float32) for k, v in self.state_dict().items()}
        bias = {n: state[f"{n}.bias_ih_l0"] + state[f"{n}.bias_hh_l0"] for n in ("encoder", "decoder")}
        return {
            "encoder.input": state["encoder.weight_ih_l0"],
            "encoder.recurrent": state["encoder.weight_hh_l0"],
            "encoder.bias": bias["encoder"],
            "decoder.input": state["decoder.weight_ih_l0"],
            "decoder.recurrent": state["decoder.weight_hh_l0"],
            "decoder.bias": bias["decoder"],
            "dense.weight": state["dense.weight"],
            "dense.bias": state["dense.bias"],
            # the last row stands for series not seen in training
            "embedding": np.concatenate([state["embedding.weight"], np.zeros((1, self.size.embedding), np.float32)]),
        }


def train(
    data: TrainingSet,
    size: Architecture,
    seed: int,
    progress: Progress,
    start: Mapping[str, Floats32] | None = None,
) -> tuple[dict[str, Floats32], list[dict[str, float]]]:
    """Fit with Adam and early stopping; return the weights of the best epoch and the losses per epoch.

    The loss is a Huber loss over the rebuilt points; the scored (newest) points count as much as all others together.
    ``size.seconds`` > 0 stops at the end of the first epoch past that time; then the result depends on the machine's
    speed and is not reproducible. Training begins from the weights ``start`` if they are given.
    """
    arrays: dict[str, Floats32] = {}

    def run() -> list[dict[str, float]]:
        rng = np.random.default_rng(seed)
        network, batches = Network(size), _Batches(data, size)
        if start is not None:
            network.begin_from(start)

        def loss(rows: Ints, learning: bool) -> Tensor:
            if not learning:
                return batches.loss(network, rows, torch.ones(len(rows), 1), None)
            known = (rng.random((len(rows), 1)) >= _UNSEEN_SHARE).astype(np.float32)
            return batches.loss(network, rows, torch.from_numpy(known), rng)

        history = train_network(network, loss, data.validation, size, rng, progress)
        arrays.update(network.arrays())
        return history

    history = seeded(seed, run)
    return arrays, history


class _Batches:
    """Gather windows by index and compute their loss."""

    def __init__(self, data: TrainingSet, size: Architecture) -> None:
        self.size = size
        self.points = torch.from_numpy(data.points)
        self.valid = torch.from_numpy(data.valid.astype(np.float32))
        self.phase = torch.from_numpy(data.phase.astype(np.float32))
        self.series = torch.from_numpy(data.series)
        self.starts = torch.from_numpy(data.starts)
        self.offsets = torch.arange(size.window)

    def loss(self, network: Network, rows: Ints, known: Tensor, rng: np.random.Generator | None) -> Tensor:
        """Return the mean loss of the windows ``rows``; with a generator, encoder inputs are corrupted."""
        size, index = self.size, torch.from_numpy(rows)
        at = self.starts[index][:, None] + self.offsets
        window, valid = self.points[at], self.valid[at]
        shown = window[:, : size.window - size.hidden_points].clamp(-size.clip, size.clip)
        if rng is not None and size.corrupted > 0:
            shown = _corrupt(shown, size.corrupted, rng)
        output = network(shown, self.phase[index], self.series[index], known, size.rebuilt)
        target, weight = (x[:, -size.rebuilt :].flip(1) for x in (window, valid))
        error = nn.functional.huber_loss(output, target, reduction="none", delta=_HUBER) * weight
        loss = error[:, : size.judged].sum() / weight[:, : size.judged].sum().clamp(min=1)
        if size.rebuilt > size.judged:
            rest = weight[:, size.judged :].sum().clamp(min=1)
            loss = (loss + error[:, size.judged :].sum() / rest) / 2
        return loss


def _corrupt(x: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Shift a random run of points in a ``share`` of the windows, so that an anomaly in the input does not carry over.

    This is the denoising idea of Vincent et al. 2008, with corruptions that resemble incidents: runs of 1 to T/2 points
    are moved by up to a few scales.
    """
    n, points, features = x.shape
    chosen = rng.random(n) < share
    length = np.where(rng.random(n) < 0.5, rng.integers(1, 4, n), rng.integers(1, max(points // 2, 2), n))
    begin = (rng.random(n) * (points - np.minimum(length, points) + 1)).astype(int)
    inside = (np.arange(points) >= begin[:, None]) & (np.arange(points) < (begin + length)[:, None])
    shift = rng.normal(0, 3.0, (n, 1, features)) * (chosen[:, None] & inside)[:, :, None]
    return x + torch.from_numpy(shift.astype(np.float32))
