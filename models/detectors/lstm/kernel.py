"""Compute the LSTM autoencoder's forward pass on one core, compiled with numba: no torch, no BLAS, no threads.

Windows are laid out with the window as the innermost axis ("lanes"), so every operation is a vector operation over
windows, whatever the hidden size. The recurrent product of one hidden unit's four gates with 16 windows stays in
registers (:func:`_dot4`, written as LLVM IR, since numba's loop vectoriser does not tile registers). The decoder's
input is the same at every step, so its projection is computed once.

We tried BLAS: it is as fast for large blocks, but OpenBLAS starts threads at sizes that differ between builds, and a
Flink worker must not use more cores than it was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Floats32 = NDArray[np.float32]

LANES = 16  # windows per register tile: 2 AVX2 registers for each of the 4 gates, or 1 of AVX-512
ACTIVATIONS = 4096  # hidden size times windows of a pass: fits into the first-level cache
_FLOAT_BYTES = 4
_OPTIONS = {"fastmath": True, "cache": True, "nogil": True, "error_model": "numpy"}


@dataclass(frozen=True)
class LstmWeights:
    """Hold weights in the kernel's layout, gates i, f, g, o innermost; i, f, o are halved for the sigmoid's tanh form.

    Attributes:
        enc_in: (H, F, 4); enc_rec: (H, H, 4); enc_bias: (H, 4).
        dec_in: (H, H + P, 4) of the code vector, hidden state and P context inputs; dec_rec, dec_bias likewise.
        out: (F, H); out_bias: (F,).
    """

    enc_in: Floats32
    enc_rec: Floats32
    enc_bias: Floats32
    dec_in: Floats32
    dec_rec: Floats32
    dec_bias: Floats32
    out: Floats32
    out_bias: Floats32


def pack(matrix: Floats32) -> Floats32:
    """Convert (4H, K) or (4H,) in torch's order of gates to (H, K, 4) or (H, 4), the layout of :class:`LstmWeights`."""
    hidden = len(matrix) // 4
    gates = np.array(matrix, np.float32).reshape(4, hidden, *matrix.shape[1:])
    gates[[0, 1, 3]] *= 0.5  # sigmoid(x) = (1 + tanh(x / 2)) / 2
    return np.ascontiguousarray(np.moveaxis(gates, 0, -1))


def reconstruct(weights: LstmWeights, x: Floats32, context: Floats32, steps: int) -> Floats32:
    """Encode windows and decode their newest points.

    Args:
        weights: the network.
        x: (n, T, F) encoder input, oldest point first, no NaN.
        context: (n, P) inputs appended to the code.
        steps: decoder steps.

    Returns:
        (n, steps, F), **newest point first**: the decoder runs backwards in time (Malhotra et al. 2016), so decoding
        the newest points takes only a few steps.
    """
    w = weights
    out = np.empty((len(x), steps, x.shape[2]), np.float32)
    if len(x):
        _forward(
            np.ascontiguousarray(x, np.float32),
            np.ascontiguousarray(context, np.float32),
            w.enc_in, w.enc_rec, w.enc_bias, w.dec_in, w.dec_rec, w.dec_bias, w.out, w.out_bias, out,
        )  # fmt: skip
    return out


@intrinsic  # type: ignore[untyped-decorator]
def _dot4(typing: Any, w: Any, h: Any, z: Any, count: Any, stride: Any) -> Any:
    """Add the sum over k < count of w[k, g] * h[k, :16] to z[g, :16]; rows of h, z are ``stride`` floats apart."""
    signature = types.void(*[types.intp] * 5)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        w, h, z, count, stride = args
        single, index = ir.FloatType(), ir.IntType(64)
        vector, mask = ir.VectorType(single, LANES), ir.VectorType(ir.IntType(32), LANES)
        weights, inputs, sums = (builder.inttoptr(address, single.as_pointer()) for address in (w, h, z))

        def row(base: Any, number: Any) -> Any:
            return builder.bitcast(builder.gep(base, [builder.mul(number, stride)]), vector.as_pointer())

        targets = [row(sums, ir.Constant(index, gate)) for gate in range(4)]
        start = [builder.load(target, align=_FLOAT_BYTES) for target in targets]
        before = builder.block
        loop, done = builder.append_basic_block("dot4.loop"), builder.append_basic_block("dot4.done")
        builder.branch(loop)

        builder.position_at_end(loop)
        k = builder.phi(index)
        totals = [builder.phi(vector) for _ in range(4)]
        lanes = builder.load(row(inputs, k), align=_FLOAT_BYTES)
        undefined = ir.Constant(vector, ir.Undefined)
        added = []
        for gate, total in enumerate(totals):
            position = builder.add(builder.mul(k, ir.Constant(index, 4)), ir.Constant(index, gate))
            weight = builder.load(builder.gep(weights, [position]))
            first = builder.insert_element(undefined, weight, ir.Constant(ir.IntType(32), 0))
            spread = builder.shuffle_vector(first, undefined, ir.Constant(mask, [0] * LANES))
            product = builder.fmul(spread, lanes, flags=("fast",))
            added.append(builder.fadd(total, product, flags=("fast",)))  # contracted to a fused multiply-add
        following = builder.add(k, ir.Constant(index, 1))
        k.add_incoming(ir.Constant(index, 0), before)
        k.add_incoming(following, loop)
        for total, initial, new in zip(totals, start, added, strict=True):
            total.add_incoming(initial, before)
            total.add_incoming(new, loop)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, done)

        builder.position_at_end(done)
        for target, new in zip(targets, added, strict=True):
            builder.store(new, target, align=_FLOAT_BYTES)
        return context.get_dummy_value()

    return signature, codegen


@njit(inline="always")  # type: ignore[untyped-decorator]
def _tanh(x: Any) -> Any:
    """Return tanh as a fraction (p, q), so that several of them can be combined with one division.

    Rational approximation of degree 13/6, error below 4 units in the last place of float32 (as in Eigen).
    """
    x = min(max(x, np.float32(-7.90531110763549805)), np.float32(7.90531110763549805))
    s = x * x
    p = s * np.float32(-2.76076847742355e-16) + np.float32(2.00018790482477e-13)
    p = s * p + np.float32(-8.60467152213735e-11)
    p = s * p + np.float32(5.12229709037114e-08)
    p = s * p + np.float32(1.48572235717979e-05)
    p = s * p + np.float32(6.37261928875436e-04)
    p = s * p + np.float32(4.89352455891786e-03)
    q = s * np.float32(1.19825839466702e-06) + np.float32(1.18534705686654e-04)
    q = s * q + np.float32(2.26843463243900e-03)
    q = s * q + np.float32(4.89352518554385e-03)
    return x * p, q


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _project(z: Any, weight: Any, bias: Any, x: Any, lanes: int) -> None:
    """Set z[g] = bias[g] + sum over the features of weight[f, g] * x[f]."""
    for gate in range(4):
        row, b, w, first = z[gate], bias[gate], weight[0, gate], x[0]
        for lane in range(lanes):
            row[lane] = b + w * first[lane]
    for f in range(1, len(x)):
        for gate in range(4):
            row, w, feature = z[gate], weight[f, gate], x[f]
            for lane in range(lanes):
                row[lane] += w * feature[lane]


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _gates(zi: Any, zf: Any, zg: Any, zo: Any, cell: Any, hidden: Any, lanes: int) -> None:
    """Compute the LSTM's elementwise part for one hidden unit; ``hidden`` receives the new output."""
    half = np.float32(0.5)
    for lane in range(lanes):
        i, under_i = _tanh(zi[lane])
        f, under_f = _tanh(zf[lane])
        g, under_g = _tanh(zg[lane])
        o, under_o = _tanh(zo[lane])
        under = under_i * under_g
        kept, added = (f + under_f) * cell[lane] * under, (i + under_i) * g * under_f
        new = half * (kept + added) / (under * under_f)  # sigmoid(f) cell + sigmoid(i) tanh(g)
        cell[lane] = new
        top, under = _tanh(new)
        hidden[lane] = half * (o + under_o) * top / (under_o * under)


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _forward(  # noqa: PLR0912  one pass, so that nothing is allocated or called per step
    x: Any, context: Any, enc_in: Any, enc_rec: Any, enc_bias: Any,
    dec_in: Any, dec_rec: Any, dec_bias: Any, out_w: Any, out_bias: Any, out: Any,
) -> None:  # fmt: skip
    n, points, features = x.shape
    hidden, inputs = enc_rec.shape[0], dec_in.shape[1]
    steps = out.shape[1]
    max_width = max(ACTIVATIONS // hidden // LANES, 1) * LANES
    width = min(max_width, (n + LANES - 1) // LANES * LANES)
    z = np.empty((4, width), np.float32)
    cell = np.empty((hidden, width), np.float32)
    state = np.empty((2, hidden, width), np.float32)
    code = np.zeros((inputs, width), np.float32)
    constant = np.empty((hidden, 4, width), np.float32)
    lanes_in = np.zeros((points, features, width), np.float32)
    state_at, code_at, z_at = state.ctypes.data, code.ctypes.data, z.ctypes.data
    half_bytes = hidden * width * _FLOAT_BYTES
    enc_at, dec_at, code_w_at = enc_rec.ctypes.data, dec_rec.ctypes.data, dec_in.ctypes.data
    constant_at = constant.ctypes.data
    unit_bytes, code_bytes = hidden * 4 * _FLOAT_BYTES, inputs * 4 * _FLOAT_BYTES

    for begin in range(0, n, width):
        rows = min(width, n - begin)
        for lane in range(rows):
            for t in range(points):
                for f in range(features):
                    lanes_in[t, f, lane] = x[begin + lane, t, f]
        cell[:] = np.float32(0)
        state[:] = np.float32(0)
        now = 0
        for t in range(points):
            for unit in range(hidden):
                _project(z, enc_in[unit], enc_bias[unit], lanes_in[t], width)
                for lane in range(0, width, LANES):
                    shift = lane * _FLOAT_BYTES
                    _dot4(enc_at + unit * unit_bytes, state_at + now * half_bytes + shift, z_at + shift, hidden, width)
                _gates(z[0], z[1], z[2], z[3], cell[unit], state[1 - now, unit], width)
            now = 1 - now

        code[:hidden] = state[now]
        for lane in range(rows):
            for p in range(inputs - hidden):
                code[hidden + p, lane] = context[begin + lane, p]
        for unit in range(hidden):
            for gate in range(4):
                constant[unit, gate, :] = dec_bias[unit, gate]
            for lane in range(0, width, LANES):
                shift = lane * _FLOAT_BYTES
                target = constant_at + unit * 4 * width * _FLOAT_BYTES + shift
                _dot4(code_w_at + unit * code_bytes, code_at + shift, target, inputs, width)

        cell[:] = np.float32(0)
        state[:] = np.float32(0)
        now = 0
        for step in range(steps):
            for unit in range(hidden):
                z[:] = constant[unit]
                for lane in range(0, width, LANES):
                    shift = lane * _FLOAT_BYTES
                    _dot4(dec_at + unit * unit_bytes, state_at + now * half_bytes + shift, z_at + shift, hidden, width)
                _gates(z[0], z[1], z[2], z[3], cell[unit], state[1 - now, unit], width)
            now = 1 - now
            for f in range(features):
                z[0] = out_bias[f]
                for unit in range(hidden):
                    w = out_w[f, unit]
                    for lane in range(width):
                        z[0, lane] += w * state[now, unit, lane]
                for lane in range(rows):
                    out[begin + lane, step, f] = z[0, lane]
