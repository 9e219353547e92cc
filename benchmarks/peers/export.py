"""Export the workload's model as plain arrays, for systems without Eddy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring.workload import FOREST, Workload
from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import Detector, WindowBatch
from eddy.models.detectors.isolation_forest.detector import ForestParameters, IsolationForest
from eddy.models.detectors.isolation_forest.window_features import bounds
from eddy.models.detectors.lstm.autoencoder import LstmAutoencoder
from eddy.models.preprocessing.fit_windows import FitWindows


def export(work: Workload, manifest: Manifest, content: bytes, folder: Path) -> Detector:
    """Write ``model.json`` and ``arrays.npz``; return Eddy's own detector."""
    detector = artifact.load(content)
    about: dict[str, Any] = {
        "kind": work.kind,
        "window": manifest.window,
        "limit": manifest.threshold["default"],
    }
    arrays: dict[str, Any] = {}
    if isinstance(detector, IsolationForest):
        arrays = {"rows": _grown_from(work, detector), "scales": detector.scales[:, 0]}
        about |= {"series": detector.names, "trees": len(detector.column), "samples": detector.samples}
        about |= {"seed": work.seed}
    elif isinstance(detector, LstmAutoencoder):
        arrays, params = detector.to_state()
        seasonal = params["day"] or params["week"]
        assert not seasonal, "the peers' network knows no seasons"
        about |= params
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "arrays.npz", **arrays)
    (folder / "model.json").write_text(json.dumps(about))
    return detector


def _grown_from(work: Workload, detector: IsolationForest) -> Any:
    """Return the rows from which ``IsolationForest.fit`` grew its trees."""
    defaults = ForestParameters(**FOREST)
    windows = FitWindows.cut(work.training_series(), detector.spec, defaults.validation_share)
    rows = np.flatnonzero(~windows.validation)
    rows = rows[:: -(-len(rows) // defaults.windows)]
    binding = detector.bind(windows.names)
    x = np.concatenate([detector.features(batch) for _, batch in windows.batches(rows, binding)])
    x = x[~np.isnan(x[:, 0])]
    box = bounds(len(detector.spec.features), detector.season > 0)
    extra = round(len(x) * defaults.background / (1 - defaults.background))
    spread = np.random.default_rng(work.seed).uniform(box[0], box[1], (extra, x.shape[1]))
    return np.concatenate([x, spread]).astype(np.float32)


def batch_of(detector: Detector, work: Workload, count: int) -> tuple[WindowBatch, Any]:
    """Return windows of the workload's own values, of series seen in training and others; and their binding."""
    values = work.values(0, count + work.window)
    windows = np.lib.stride_tricks.sliding_window_view(values, work.window)[:count].copy()
    names = work.names()
    binding = detector.bind([names[i % len(names)] for i in range(count)])
    batch = WindowBatch(
        windows[:, :, None], np.zeros(windows.shape, np.bool_), np.zeros(count, np.int64), binding, np.zeros((count, 0))
    )
    return batch, binding
