"""Run one training, from history to result, in a process of its own, which may fail, hang or run out of memory."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eddy.errors import DataError, EddyError, ModelError
from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import Detector, WindowSpec
from eddy.settings import Settings
from eddy.training.data.datasets import Dataset
from eddy.training.data.labels import Labels
from eddy.training.fitting import artifacts
from eddy.training.fitting.fit import ThresholdRule, Trained, fit_model, usual_window
from eddy.training.trainer.holdout_evaluation import HoldoutMetrics, evaluate_on_holdout
from eddy.training.trainer.training_data import Material, anomalous, history, incidents, prepare
from eddy.training_request import TrainingRequest

RESULT = "verdict.json"
_RULES_WITH_LABELS = ("f-beta",)  # live data have no labels, so the default rule replaces these


@dataclass(frozen=True)
class Task:
    """Describe a training.

    Attributes:
        request: the model and the reason.
        champion: the manifest in use, with its artifact fetched; None for a first version.
        content: its artifact.
        data: file or folder to learn from; None: the observations topic.
    """

    request: TrainingRequest
    champion: Manifest | None = None
    content: bytes = b""
    data: Path | None = None


@dataclass(frozen=True)
class TrainingResult:
    """Hold the outcome of a training.

    Attributes:
        better: whether to publish the challenger.
        reason: one sentence with the figures.
        challenger, champion: hold-out figures; empty if there is no such model.
    """

    better: bool
    reason: str
    challenger: dict[str, Any]
    champion: dict[str, Any]


class Fitting:
    """Run a training in a process. Poll with :meth:`finished`; :meth:`close` ends it at any time.

    Args:
        settings: connection, and the limits of ``learning``.
        task: what to train.
    """

    def __init__(self, settings: Settings, task: Task) -> None:
        self.task, self._limit = task, settings.learning.max_fit_seconds
        self.folder = Path(tempfile.mkdtemp(prefix="eddy-trainer-"))
        self._started = time.monotonic()
        self._process = multiprocessing.get_context("spawn").Process(
            target=_work, args=(settings, task, self.folder), name=f"fit {task.request.model}", daemon=True
        )
        self._process.start()

    def finished(self) -> bool:
        """Return whether it has ended; ends it if its time is up."""
        if self._process.is_alive() and time.monotonic() - self._started > self._limit:
            self._process.kill()
            self._process.join()
        return not self._process.is_alive()

    def result(self) -> tuple[TrainingResult, Manifest, bytes]:
        """Return the result and the challenger of a finished training.

        Raises:
            EddyError: the training failed; says why.
        """
        took = time.monotonic() - self._started
        if took > self._limit:
            raise DataError(f"training did not end within {self._limit:g} s (learning.max_fit_seconds)")
        try:
            result = json.loads((self.folder / RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise DataError(
                f"training ended with exit code {self._process.exitcode} and without a word; was it out of memory "
                "(learning.max_fit_memory_mb)?"
            ) from None
        if "error" in result:
            raise DataError(str(result["error"]))
        manifest, content = artifacts.read(self.folder)
        return TrainingResult(**result), manifest, content

    def close(self) -> None:
        """End the process, and remove its files."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        shutil.rmtree(self.folder, ignore_errors=True)


def _work(settings: Settings, task: Task, folder: Path) -> None:
    """Run in the new process: limit its memory, train, write the result."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.nice(5)  # the job has priority
    memory = settings.learning.max_fit_memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    try:
        result, trained = train(settings, task)
    except MemoryError:
        _report(
            folder, {"error": f"out of memory at {settings.learning.max_fit_memory_mb} MB (learning.max_fit_memory_mb)"}
        )
    except EddyError as error:
        _report(folder, {"error": str(error)})
    except Exception as error:
        _report(folder, {"error": f"{type(error).__name__}: {error}"})
    else:
        artifacts.write(folder, trained)
        _report(folder, vars(result))


def _report(folder: Path, result: dict[str, Any]) -> None:
    (folder / RESULT).write_text(json.dumps(result), encoding="utf-8")


def train(settings: Settings, task: Task) -> tuple[TrainingResult, Trained]:
    """Train on the history available now.

    Raises:
        EddyError: there is nothing to learn from, or the detector cannot be fitted to it.
    """
    patterns = task.champion.series if task.champion else task.request.series
    if not patterns:
        raise ModelError(
            f"model {task.request.model!r} is not in the registry, and the request names no series to train on"
        )
    found = history(settings, patterns, task.data)
    labels = anomalous(_reported(settings, task), settings.learning.max_excluded_points)
    return challenge(settings, task, found, labels)


def challenge(settings: Settings, task: Task, found: Dataset, labels: Labels) -> tuple[TrainingResult, Trained]:
    """Fit a challenger to the past part of histories; evaluate it and the model in use on the held-back part."""
    request, champion, options = task.request, task.champion, settings.learning
    spec, kind = _spec(settings, task, found.features, found.interval_ms)
    material = prepare(found, spec, options, labels, request.since)
    trained = _fit(settings, task, kind, spec, material, champion.series if champion else request.series)
    challenger = evaluate_on_holdout(trained.manifest, trained.content, material.whole, material.held_back)
    before = evaluate_on_holdout(champion, task.content, material.whole, material.held_back) if champion else None
    result = decide(challenger, before, options.min_f1_gain, options.min_first_f1)
    metrics = {
        "trial_f1": round(challenger.f1, 4),
        **({"champion_f1": round(before.f1, 4), "champion_version": champion.version} if before and champion else {}),
        "trained_for": request.reason,
        **trained.manifest.metrics,
        "trial": {"challenger": result.challenger, "champion": result.champion, "margin": options.min_f1_gain},
        "notes": [*material.notes, *trained.notes],
    }
    return result, replace(trained, manifest=replace(trained.manifest, metrics=metrics))


def decide(challenger: HoldoutMetrics, champion: HoldoutMetrics | None, margin: float, min_f1: float) -> TrainingResult:
    """Decide whether the challenger is better by the margin, or good enough if there is no model in use."""
    required = champion.f1 + margin if champion else min_f1
    beside = f"that of the model in use {champion.f1:.3f}, margin {margin:g}" if champion else f"needed {min_f1:g}"
    better = challenger.f1 >= required and challenger.events > 0
    reason = f"hold-out F1 {challenger.f1:.3f}, {beside} ({challenger.events} anomalies, {challenger.blocks} blocks)"
    return TrainingResult(better, reason, challenger.plain(), champion.plain() if champion else {})


def _reported(settings: Settings, task: Task) -> Iterator[Any]:
    if task.data is None:
        yield from incidents(settings)


def _spec(settings: Settings, task: Task, features: tuple[str, ...], interval: Any) -> tuple[WindowSpec, str]:
    if task.champion is not None:
        spec = artifact.load(task.content).spec
        return spec, task.champion.detector
    kind = task.request.detector
    step = task.request.interval_ms or interval()
    return WindowSpec(usual_window(kind, step, settings.detector.window_size), 1, features, step), kind


def _fit(
    settings: Settings, task: Task, kind: str, spec: WindowSpec, material: Material, patterns: tuple[str, ...]
) -> Trained:
    champion = task.champion
    recipe = dict(champion.training) if champion else {}
    wanted = recipe.get("threshold") or {}
    rule = None
    if wanted and wanted.get("name") not in _RULES_WITH_LABELS:
        rule = ThresholdRule(wanted["name"], wanted["false_rate"], wanted["params"])
    previous: Detector | None = None
    if champion is not None:
        with contextlib.suppress(ModelError):
            previous = artifact.load(task.content)
        if previous is not None and previous.updates == "window" and task.request.reason == "drift":
            previous = None
    return fit_model(
        task.request.model, kind, material.past, spec, patterns=patterns, params=recipe.get("params"), rule=rule,
        alerts=champion.alerts if champion else None, seed=int(recipe.get("seed", 0)), previous=previous,
        false_alarms_per_week=recipe.get("false_alarms_per_week", settings.detector.false_alarms_per_week),
        value_type=champion.value_type if champion else settings.detector.value_type,
    )  # fmt: skip
