"""Keep a fitted :class:`~eddy.training.notebook.frame_detector.Detector` as a folder: a model and ``detector.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eddy.errors import ModelError
from eddy.intervals import ms_to_interval
from eddy.models.artifacts.manifest import Manifest
from eddy.training.fitting import artifacts
from eddy.training.fitting.fit import Trained
from eddy.training.notebook.frame_fit import interval_of

PARAMETERS = "detector.json"


def write_detector(
    folder: Path, trained: Trained, params: Mapping[str, Any], value_columns: Sequence[str]
) -> list[Path]:
    """Write a folder that every ``eddy`` command reads as a model; returns its files.

    Args:
        folder: made if it is not there; files of an earlier model are replaced.
        trained: the model.
        params: of the detector, as given.
        value_columns: of the frame that it was fitted on.
    """
    files = artifacts.write(folder, trained)
    interval = interval_of(params["interval"])
    own = {**params, "interval": None if interval is None else ms_to_interval(interval)}
    content = json.dumps({"params": own, "value_columns": list(value_columns)}, indent=1)
    (folder / PARAMETERS).write_text(content + "\n", encoding="utf-8")
    return [*files, folder / PARAMETERS]


def read_detector(folder: Path) -> tuple[Trained, dict[str, Any], list[str]]:
    """(model, parameters, value columns) of a folder; without ``detector.json`` as far as the manifest has them.

    Raises:
        ModelError: a file is missing or cannot be used; names it.
    """
    manifest, content = artifacts.read(folder)
    history = folder / artifacts.HISTORY
    losses = json.loads(history.read_bytes()) if history.exists() else []
    trained = Trained(manifest, content, losses, list(manifest.metrics.get("notes", [])))
    path = folder / PARAMETERS
    if not path.exists():
        return trained, _params_of(manifest), []
    try:
        saved = json.loads(path.read_bytes())
        return trained, dict(saved["params"]), [str(name) for name in saved["value_columns"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not what Detector.save writes ({error}); save again, or remove it") from None


def _params_of(manifest: Manifest) -> dict[str, Any]:
    return {
        "kind": manifest.detector,
        "interval": ms_to_interval(manifest.interval_ms),
        "window": manifest.window,
        "stride": manifest.stride,
        "value_type": manifest.value_type,
        "params": dict(manifest.training.get("params", {})) or None,
        "alerts": dict(manifest.alerts) or None,
        "name": manifest.name,
        "patterns": list(manifest.series),
        "seed": manifest.training.get("seed", 0),
    }
