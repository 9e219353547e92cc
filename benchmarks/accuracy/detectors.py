"""Measure how fast detectors score on one core, and what the demo's models find, without Flink and Kafka.

    python -m benchmarks.accuracy.detectors speed
    python -m benchmarks.accuracy.detectors demo [SEED …]
    python -m benchmarks.accuracy.detectors csv nyc_taxi.csv [combined_windows.json]

``demo`` and ``csv`` train as the demo does and replay the live part through the engine that the job runs. An incident
is found if an alert overlaps it or the 12 points after it; any other alert is false. Prints one JSON object per line.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from eddy.models.artifacts.manifest import Manifest
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Detector, Floats, Ints, Series, WindowBatch, WindowSpec
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.model_set import ModelSet

GRACE_POINTS = 12
BATCHES = (1, 16, 64, 256, 1024)
REPEATS, WINDOWS = 7, 4000
Span = tuple[str, int, int]


def speed() -> None:
    """Measure windows per second, best of some repeats, by detector, window and batch size."""
    rng = np.random.default_rng(0)
    n, interval = 4000, 1_800_000
    ts = np.arange(n, dtype=np.int64) * interval
    values = 100 + 20 * np.sin(2 * np.pi * np.arange(n) / 48) + rng.normal(0, 2, n)
    series = [Series("a", ts, values[:, None], np.zeros(n, np.bool_))]
    fast = {"epochs": 1, "windows_per_epoch": 500}
    for kind, window, params in (
        ("lstm-autoencoder", 30, {**fast, "hidden": 32}),
        ("lstm-autoencoder", 48, {**fast, "hidden": 32}),
        ("lstm-autoencoder", 336, {**fast, "hidden": 64}),
        ("isolation-forest", 30, {}),
        ("isolation-forest", 200, {}),
    ):
        detector, _ = DETECTORS.get(kind).fit(series, WindowSpec(window, interval_ms=interval), params, seed=0)
        rates = {str(size): round(_rate(detector, values, size)) for size in BATCHES}
        print(json.dumps({"detector": kind, "window": window, **params, "windows_per_second": rates}), flush=True)


def _rate(detector: Detector, values: Floats, size: int) -> float:
    window = detector.spec.window
    starts = np.random.default_rng(1).integers(0, len(values) - window, size)
    batch = WindowBatch(
        values[starts[:, None] + np.arange(window)][:, :, None], np.zeros((size, window), np.bool_),
        (starts + window - 1) * detector.spec.interval_ms, detector.bind(["a"] * size), np.zeros((size, 0)),
    )  # fmt: skip
    detector.score(batch)
    calls = max(1, min(WINDOWS, 20 * size) // size)
    best = np.inf
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in range(calls):
            detector.score(batch)
        best = min(best, (time.perf_counter() - started) / calls)
    return size / best


def demo(seeds: Sequence[int]) -> None:
    """Measure the demo's models on its synthetic stream."""
    from eddy.producers.synthetic import generate
    from eddy.training.fitting.demo_models import train_demo

    for seed in seeds:
        stream = generate(seed)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            trained = train_demo(stream, Path(folder))
        seconds = time.perf_counter() - started
        live = stream.live
        labels = [(label.series, label.start, label.end) for label in stream.labels]
        result = _score(
            trained, stream.names, live.series.astype(np.int64), live.ts, live.values, labels, stream.intervals
        )
        print(json.dumps({"seed": seed, "training_seconds": round(seconds, 1), **result}), flush=True)


def one_csv(path: Path, labels: Path | None) -> None:
    """Measure on one series in NAB's format: train on its first part, replay the rest."""
    from eddy.training.data import datasets
    from eddy.training.data.nab import parse_time
    from eddy.training.fitting.demo_models import PREFIX_SHARE, train_series

    data = datasets.load(path)
    raw = data.series[0]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        trained = train_series(raw.name, raw.ts, raw.values[:, 0], Path(folder))
    seconds = time.perf_counter() - started
    windows = json.loads(labels.read_text()) if labels else {}
    own = next((spans for name, spans in windows.items() if Path(name).stem == raw.name), [])
    spans = [(raw.name, *(parse_time(edge) for edge in span)) for span in own]
    live = slice(round(PREFIX_SHARE * len(raw.ts)), None)
    codes = np.zeros(len(raw.ts[live]), np.int64)
    model = [(trained.manifest, trained.content)]
    intervals = {raw.name: data.interval_ms()}
    result = _score(model, (raw.name,), codes, raw.ts[live], raw.values[live, 0], spans, intervals, grace=0)
    print(json.dumps({"series": raw.name, "training_seconds": round(seconds, 1), **result}))


def _score(
    trained: Iterable[tuple[Manifest, bytes]], names: Sequence[str], codes: Ints, ts: Ints, values: Floats,
    labels: Sequence[Span], intervals: dict[str, int], grace: int = GRACE_POINTS,
) -> dict[str, object]:  # fmt: skip
    models = ModelSet()
    for manifest, content in trained:
        models.put(manifest, lambda _, content=content: content)
    started = time.perf_counter()
    alerts = replay(models, EngineOptions(), names, codes, ts, values[:, None])
    seconds = time.perf_counter() - started
    incidents = {alert.id: alert for alert in alerts if alert.kind == "incident"}  # the last message of each incident
    found: set[Span] = set()
    false = 0
    for alert in incidents.values():
        late = grace * intervals[alert.series]
        hits = {s for s in labels if s[0] == alert.series and alert.start <= s[2] + late and alert.end >= s[1]}
        found |= hits
        false += not hits
    return {
        "incidents": len(labels), "found": len(found), "false": false, "alerts": len(incidents),
        "missed": [s[0] for s in labels if s not in found], "replayed_per_second": round(len(ts) / seconds),
    }  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    what, rest = (arguments[0] if arguments else ""), list(arguments[1:])
    if what == "speed":
        speed()
    elif what == "demo":
        demo([int(seed) for seed in rest] or [7])
    elif what == "csv" and rest:
        one_csv(Path(rest[0]), Path(rest[1]) if len(rest) > 1 else None)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
