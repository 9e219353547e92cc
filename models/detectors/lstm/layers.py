"""Compute forward passes of any stack of LSTM layers and of a decoder fed with its own output, compiled; no torch.

The register tile and the layout (windows innermost, "lanes") are those of :mod:`eddy.models.detectors.lstm.kernel`,
which serves the one network whose decoder input is constant; here a layer passes its whole output to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddy.models.detectors.lstm.kernel import LANES, _dot4, _gates, pack

Floats32 = NDArray[np.float32]
BLOCK = 64  # windows per pass
_FLOAT_BYTES = 4
_OPTIONS = {"fastmath": True, "cache": True, "nogil": True, "error_model": "numpy"}


@dataclass(frozen=True)
class Layer:
    """Hold one LSTM layer in the kernel's layout (see :func:`eddy.models.detectors.lstm.kernel.pack`).

    Attributes:
        weight: (H, K, 4) of the K inputs.
        recurrent: (H, H, 4).
        bias: (H, 4).
    """

    weight: Floats32
    recurrent: Floats32
    bias: Floats32

    @classmethod
    def packed(cls, arrays: Mapping[str, NDArray[Any]], name: str) -> Layer:
        """Pack arrays in torch's layout, ``<name>.input``, ``.recurrent`` and ``.bias``."""
        return cls(*(pack(np.asarray(arrays[f"{name}.{part}"])) for part in ("input", "recurrent", "bias")))

    @property
    def hidden(self) -> int:
        return len(self.bias)


@dataclass(frozen=True)
class Dense:
    """Hold a linear layer: ``weight`` (F, H), ``bias`` (F,)."""

    weight: Floats32
    bias: Floats32


def repeat_vector(encoder: Sequence[Layer], decoder: Sequence[Layer], dense: Dense, x: Floats32) -> Floats32:
    """Encode, repeat the code, decode: return (n, T, F) rebuilt in order of time from (n, T, F) without NaN."""
    out = np.empty_like(x)
    points = x.shape[1]
    for rows, lanes in _blocks(x):
        passed = lanes
        for layer in encoder:
            passed, _, _ = _sequence(layer, passed, points)
        passed = passed[-1:]  # a single step as input stands for all steps
        for layer in decoder:
            passed, _, _ = _sequence(layer, passed, points)
        rebuilt = np.einsum("fh,thw->wtf", dense.weight, passed, optimize=False) + dense.bias
        out[rows] = rebuilt[: len(out[rows])]
    return out


def decode_backwards(encoder: Layer, decoder: Layer, dense: Dense, x: Floats32, steps: int) -> Floats32:
    """Encode, then predict each point from the previous prediction; return (n, steps, F), **newest point first**.

    Args:
        encoder, decoder, dense: the network of Malhotra et al. 2016.
        x: (n, T, F) without NaN, oldest point first.
        steps: points to rebuild, at least 1.
    """
    out = np.empty((len(x), steps, x.shape[2]), np.float32)
    for rows, lanes in _blocks(x):
        _, hidden, cell = _sequence(encoder, lanes, x.shape[1])
        rebuilt = np.empty((steps, x.shape[2], lanes.shape[2]), np.float32)
        _feedback(
            decoder.weight, decoder.recurrent, decoder.bias, dense.weight, dense.bias, hidden, cell, rebuilt
        )  # fmt: skip
        out[rows] = rebuilt.transpose(2, 0, 1)[: len(out[rows])]
    return out


def _blocks(x: Floats32) -> Iterator[tuple[slice, Floats32]]:
    """Yield windows in blocks, as (rows, (T, F, width)), padded with 0 to a multiple of the register tile."""
    for begin in range(0, len(x), BLOCK):
        part = x[begin : begin + BLOCK]
        width = -(-len(part) // LANES) * LANES
        lanes = np.zeros((x.shape[1], x.shape[2], width), np.float32)
        lanes[:, :, : len(part)] = part.transpose(1, 2, 0)
        yield slice(begin, begin + len(part)), lanes


def _sequence(layer: Layer, x: Floats32, points: int) -> tuple[Floats32, Floats32, Floats32]:
    """Run a layer from a zero state; return ((T, H, width) outputs, (H, width) last output, (H, width) last cell)."""
    width = x.shape[2]
    cell = np.zeros((layer.hidden, width), np.float32)
    out = np.empty((points, layer.hidden, width), np.float32)
    _run(layer.weight, layer.recurrent, layer.bias, x, cell, out)
    return out, out[-1], cell


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _run(weight: Any, recurrent: Any, bias: Any, x: Any, cell: Any, out: Any) -> None:
    """Run all steps of one layer; if ``x`` has fewer steps than ``out``, its last one is repeated."""
    points, hidden, width = out.shape
    inputs = weight.shape[1]
    base = np.empty((hidden, 4, width), np.float32)
    z = np.empty((4, width), np.float32)
    before = np.zeros((hidden, width), np.float32)
    for t in range(points):
        for unit in range(hidden):
            if t < len(x):
                for gate in range(4):
                    base[unit, gate, :] = bias[unit, gate]
                for lane in range(0, width, LANES):
                    shift = lane * _FLOAT_BYTES
                    _dot4(
                        weight[unit].ctypes.data, x[t].ctypes.data + shift, base[unit].ctypes.data + shift,
                        inputs, width,
                    )  # fmt: skip
            z[:] = base[unit]
            for lane in range(0, width, LANES):
                shift = lane * _FLOAT_BYTES
                _dot4(
                    recurrent[unit].ctypes.data, before.ctypes.data + shift, z.ctypes.data + shift, hidden, width
                )  # fmt: skip
            _gates(z[0], z[1], z[2], z[3], cell[unit], out[t, unit], width)
        before = out[t]


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _feedback(
    weight: Any, recurrent: Any, bias: Any, out_weight: Any, out_bias: Any, hidden: Any, cell: Any, out: Any
) -> None:
    """Run the linear layer, then step after step; changes ``cell`` in place and fills ``out`` (steps, F, width)."""
    steps, features, width = out.shape
    units = len(hidden)
    z = np.empty((4, width), np.float32)
    state = np.empty((2, units, width), np.float32)
    state[0] = hidden
    now = 0
    for step in range(steps):
        if step > 0:
            for unit in range(units):
                for gate in range(4):
                    z[gate, :] = bias[unit, gate]
                for lane in range(0, width, LANES):
                    shift = lane * _FLOAT_BYTES
                    _dot4(
                        weight[unit].ctypes.data, out[step - 1].ctypes.data + shift, z.ctypes.data + shift,
                        features, width,
                    )  # fmt: skip
                    _dot4(
                        recurrent[unit].ctypes.data, state[now].ctypes.data + shift, z.ctypes.data + shift,
                        units, width,
                    )  # fmt: skip
                _gates(z[0], z[1], z[2], z[3], cell[unit], state[1 - now, unit], width)
            now = 1 - now
        for f in range(features):
            out[step, f, :] = out_bias[f]
            for unit in range(units):
                w = out_weight[f, unit]
                for lane in range(width):
                    out[step, f, lane] += w * state[now, unit, lane]
