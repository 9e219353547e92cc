"""Write and read a trained model's folder: ``model.safetensors``, ``manifest.json``, ``history.json``, ``loss.png``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from eddy.errors import ModelError
from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import MANIFEST_SCHEMA, Manifest
from eddy.training.fitting.fit import Trained

MODEL, MANIFEST, HISTORY, PLOT = "model.safetensors", "manifest.json", "history.json", "loss.png"


def write(folder: Path, trained: Trained) -> list[Path]:
    """Write a model; replaces files of an earlier one. The plot is left out if there is no loss."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(trained.content)
    manifest = {"schema": MANIFEST_SCHEMA, **asdict(trained.manifest)}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (folder / HISTORY).write_text(json.dumps(trained.history, indent=1) + "\n", encoding="utf-8")
    if trained.history:
        _plot(folder / PLOT, trained)
    else:
        (folder / PLOT).unlink(missing_ok=True)
    return [folder / name for name in (MODEL, MANIFEST, HISTORY, PLOT) if (folder / name).exists()]


def read(folder: Path) -> tuple[Manifest, bytes]:
    """Read the manifest and the artifact of a folder.

    Raises:
        ModelError: a file is missing, or the manifest belongs to another artifact.
    """
    try:
        manifest = Manifest.from_json((folder / MANIFEST).read_bytes())
        content = (folder / MODEL).read_bytes()
    except OSError as error:
        raise ModelError(
            f"{folder}: {Path(str(error.filename)).name} cannot be read: {error.strerror}; 'eddy train --out' writes it"
        ) from None
    found = artifact.sha256(content)
    if found != manifest.sha256:
        raise ModelError(f"{folder}: {MODEL} has sha256 {found[:12]}…, {MANIFEST} says {manifest.sha256[:12]}…")
    return manifest, content


def _plot(path: Path, trained: Trained) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    epochs = [h["epoch"] for h in trained.history]
    best = min(trained.history, key=lambda h: h["validation_loss"])
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(epochs, [h["loss"] for h in trained.history], label="training")
    axes.plot(epochs, [h["validation_loss"] for h in trained.history], label="validation")
    axes.axvline(best["epoch"], color="0.6", linestyle=":", label=f"kept: epoch {best['epoch']:.0f}")
    axes.set(xlabel="epoch", ylabel="Huber loss, spreads²", yscale="log", title=trained.manifest.name)
    axes.legend()
    figure.savefig(path, dpi=120)
