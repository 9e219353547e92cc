"""Measure windows per second of each detector, and of the same model in plain torch, scikit-learn and ONNX Runtime.

One core, the same windows, rounds interleaved so that other work on the machine affects all alike; the ratio is the
median of the rounds' ratios. Scores are compared as well: speed does not count if they differ.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring.machine import describe
from benchmarks.measuring.workload import Workload
from benchmarks.peers import environments
from benchmarks.peers.detectors import load
from benchmarks.peers.export import batch_of, export

BATCHES = (1, 16, 64, 256, 1024)
ROUNDS = 5
ROUND_SECONDS = 0.15
WINDOWS = 2048
TOLERANCE = {"Z": 1e-9, "F": 1e-6, "L": 1e-5}  # of the score: double, trees in float32, LSTM in float32
PLAIN = {"Z": "numpy", "F": "scikit-learn", "L": "torch"}


def run(kinds: str = "ZFL", batches: tuple[int, ...] = BATCHES, onnx: bool = True) -> dict[str, Any]:
    """Measure every kind and batch size."""
    results = []
    for kind in kinds:
        work = Workload(kind, series=40)  # all of them seen in training, so no detector computes scales from windows
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            detector = export(work, *work.model(), folder)
            plain = load(folder)
            batch, binding = batch_of(detector, work, WINDOWS)
            windows = batch.values[:, :, 0]
            difference = float(np.abs(detector.score(batch) - plain.score(windows, binding)).max())
            beside = _onnx(folder, windows, binding) if onnx and kind == "L" else None
            for size in batches:
                part = batch.take(np.arange(size))
                few, own = windows[:size].copy(), binding[:size]
                rates = _rates({
                    "eddy": partial(detector.score, part),
                    "plain": partial(plain.score, few, own),
                }, size)  # fmt: skip
                results.append({
                    "detector": detector.kind, "kind": kind, "window": work.window, "batch": size,
                    "windows_per_second": round(rates["eddy"]), "plain": PLAIN[kind],
                    "plain_windows_per_second": round(rates["plain"]), "ratio": round(rates["ratio"], 2),
                    "onnx_windows_per_second": beside and round(beside["rates"][str(size)]),
                    "onnx_difference": beside and beside["difference"],
                    "largest_difference": difference, "equal": difference <= TOLERANCE[kind],
                })  # fmt: skip
    return {"benchmark": "scoring", "machine": describe(), "results": results}


def _rates(ways: dict[str, Callable[[], Any]], size: int) -> dict[str, float]:
    """Return windows per second of each implementation (best round), and the median ratio of first to second."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for call in ways.values():
        call()
    for _ in range(ROUNDS):
        for name, call in ways.items():
            calls, began = 0, time.perf_counter()
            while (spent := time.perf_counter() - began) < ROUND_SECONDS:
                call()
                calls += 1
            found[name].append(calls * size / spent)
    first, second = found.values()
    ratio = float(np.median(np.array(first) / np.array(second)))
    return {name: max(rates) for name, rates in found.items()} | {"ratio": ratio}


def _onnx(folder: Path, windows: Any, binding: Any) -> dict[str, Any]:
    """Run ONNX Runtime's LSTM on the same windows, in the peers' own environment (it is no dependency of Eddy)."""
    np.savez(folder / "windows.npz", windows=windows, binding=binding)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(environments.ROOT)}
    done = subprocess.run(
        [environments.python("plain"), "-m", "benchmarks.peers.onnx_lstm", folder, *map(str, BATCHES)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(f"ONNX Runtime left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return {"rates": dict.fromkeys(map(str, BATCHES), 0.0), "difference": None}
    found: dict[str, Any] = json.loads(done.stdout)
    return found
