"""Run the workload's LSTM in ONNX Runtime: its own LSTM operators, one thread. Prints rates by batch size as JSON.

python -m benchmarks.peers.onnx_lstm FOLDER SIZE …        (FOLDER: written by export.py, with windows.npz)
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.peers.detectors import load

ROUNDS, ROUND_SECONDS = 5, 0.15


def _gates(array: Any) -> Any:
    """Convert gates from torch's order (input, forget, cell, output) to ONNX's (input, output, forget, cell)."""
    i, f, c, o = np.split(array, 4)
    return np.concatenate([i, o, f, c])[None]


def build(arrays: dict[str, Any], scored: int) -> bytes:
    """Build the network: (T, n, 1) points and (n, E) embedding in; (scored, n, F) rebuilt points out, newest first."""
    hidden = arrays["encoder.recurrent"].shape[1]
    constants = {"steps": np.array([scored, 1, 1], np.int64), "dense": arrays["dense.weight"].T.copy(),
                 "dense_bias": arrays["dense.bias"], "directions": np.array([1], np.int64)}  # fmt: skip
    for name in ("encoder", "decoder"):
        bias = _gates(arrays[f"{name}.bias"])
        constants |= {f"{name}_w": _gates(arrays[f"{name}.input"]), f"{name}_r": _gates(arrays[f"{name}.recurrent"])}
        constants[f"{name}_b"] = np.concatenate([bias, np.zeros_like(bias)], axis=1)
    node = helper.make_node
    nodes = [
        node("LSTM", ["shown", "encoder_w", "encoder_r", "encoder_b"], ["", "state"], hidden_size=hidden),
        node("Squeeze", ["state", "zero"], ["code"]),
        node("Concat", ["code", "embedding"], ["context"], axis=1),
        node("Unsqueeze", ["context", "zero"], ["step"]),
        node("Tile", ["step", "steps"], ["repeated"]),
        node("LSTM", ["repeated", "decoder_w", "decoder_r", "decoder_b"], ["decoded"], hidden_size=hidden),
        node("Squeeze", ["decoded", "directions"], ["flat"]),
        node("MatMul", ["flat", "dense"], ["product"]),
        node("Add", ["product", "dense_bias"], ["output"]),
    ]
    constants["zero"] = np.array([0], np.int64)
    real = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "lstm",
        [helper.make_tensor_value_info("shown", real, [None, None, 1]),
         helper.make_tensor_value_info("embedding", real, [None, None])],
        [helper.make_tensor_value_info("output", real, [None, None, None])],
        [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def main() -> None:
    folder, sizes = Path(sys.argv[1]), [int(size) for size in sys.argv[2:]]
    about = json.loads((folder / "model.json").read_text())
    with np.load(folder / "arrays.npz") as stored, np.load(folder / "windows.npz") as given:
        arrays, windows, binding = dict(stored), given["windows"], given["binding"]
    scored, seen = len(arrays["spread.position"]), about["window"] - about["hidden_points"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(build(arrays, scored), options, providers=["CPUExecutionProvider"])
    centres, spreads = arrays["scaler.centre"][:, 0], arrays["scaler.spread"][:, 0]
    position, factor = arrays["spread.position"][:, 0], arrays["spread.series"][:, 0, 0]

    def score(windows: Any, binding: Any) -> Any:
        x = (windows - centres[binding][:, None]) / spreads[binding][:, None]
        shown = np.clip(x[:, :seen], -about["clip"], about["clip"]).astype(np.float32).T[:, :, None]
        given = {"shown": np.ascontiguousarray(shown), "embedding": arrays["embedding"][binding]}
        output = session.run(None, given)[0][:, :, 0].T
        errors = (x[:, : -scored - 1 : -1] - output) / (position[None] * factor[binding][:, None])
        return np.sqrt((errors**2).mean(axis=1))

    difference = float(np.abs(score(windows, binding) - load(folder).score(windows, binding)).max())
    rates = {}
    for size in sizes:
        few, own, best = windows[:size], binding[:size], 0.0
        for _ in range(ROUNDS):
            calls, began = 0, time.perf_counter()
            while (spent := time.perf_counter() - began) < ROUND_SECONDS:
                score(few, own)
                calls += 1
            best = max(best, calls * size / spent)
        rates[str(size)] = best
    print(json.dumps({"rates": rates, "difference": difference, "version": onnxruntime.__version__}))


if __name__ == "__main__":
    main()
