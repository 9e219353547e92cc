"""Define the two classic LSTM autoencoders in torch. Only imported for fitting: scoring never loads torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Floats32 = NDArray[np.float32]


class RepeatVectorNetwork(nn.Module):
    """Chain LSTM layers → code of the last step → repeated → LSTM layers mirrored → dense, in order of time.

    Args:
        features: values of a point.
        units: of the encoder's layers, outermost first; the decoder has them in reverse: (64,) is 64-64,
            (128, 64) is 128-64-64-128.
    """

    def __init__(self, features: int, units: Sequence[int]) -> None:
        super().__init__()
        sizes = [features, *units]
        self.encoder = nn.ModuleList(nn.LSTM(a, b) for a, b in pairwise(sizes))
        inner = [units[-1], *reversed(units)]
        self.decoder = nn.ModuleList(nn.LSTM(a, b) for a, b in pairwise(inner))
        self.dense = nn.Linear(units[0], features)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, T, F) rebuilt from (n, T, F)."""
        y = x.transpose(0, 1).contiguous()  # time first: half the cost on a CPU
        for layer in self.encoder:
            y, (state, _) = layer(y)
        y = state[-1].expand(x.shape[1], -1, -1)
        for layer in self.decoder:
            y, _ = layer(y)
        return self.dense(y).transpose(0, 1)  # type: ignore[no-any-return]


class EncoderDecoderNetwork(nn.Module):
    """Decode backwards from the encoder's final state, as in Malhotra et al. 2016, section 2.1.

    The linear layer that serves all steps predicts the newest point from the encoder's final state; each further step
    takes in the point just predicted: its true value in training, the prediction in use.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.LSTM(features, hidden)
        self.decoder = nn.LSTM(features, hidden)
        self.dense = nn.Linear(hidden, features)

    def forward(self, x: Tensor, steps: int, teacher: bool) -> Tensor:
        """Return (n, steps, F) rebuilt, **newest point first**, from (n, T, F) oldest first."""
        backwards = x.transpose(0, 1).flip(0)
        _, state = self.encoder(x.transpose(0, 1).contiguous())
        first = self.dense(state[0])
        if teacher:
            if steps == 1:
                return first.transpose(0, 1)  # type: ignore[no-any-return]
            hidden, _ = self.decoder(backwards[: steps - 1].contiguous(), state)
            return torch.cat([first, self.dense(hidden)]).transpose(0, 1)
        found = [first]
        while len(found) < steps:
            hidden, state = self.decoder(found[-1], state)
            found.append(self.dense(hidden))
        return torch.cat(found).transpose(0, 1)


def exported(network: nn.Module) -> dict[str, Floats32]:
    """Return weights in torch's layout, such as ``encoder.0.input``, with a layer's two biases added."""
    arrays: dict[str, Floats32] = {}
    for name, module in network.named_modules():
        own = {k: v.detach().numpy().astype(np.float32) for k, v in module.named_parameters(recurse=False)}
        if isinstance(module, nn.LSTM):
            arrays[f"{name}.input"], arrays[f"{name}.recurrent"] = own["weight_ih_l0"], own["weight_hh_l0"]
            arrays[f"{name}.bias"] = own["bias_ih_l0"] + own["bias_hh_l0"]
        elif isinstance(module, nn.Linear):
            arrays[f"{name}.weight"], arrays[f"{name}.bias"] = own["weight"], own["bias"]
    return arrays
