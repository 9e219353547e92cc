"""Build small models and a small job for tests of the core, in place of the Flink job around the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import Detector, Explanation, WindowBatch, WindowSpec
from eddy.models.core.threshold import Threshold
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.engine.engine import BatchResult, Engine, EngineOptions
from eddy.models.engine.state.checkpoint import EngineState
from eddy.models.serving.model_set import ModelSet

STEP = 1000
Event = tuple[str, int, Mapping[str, float]]  # series, event time, value by feature


class Level(Detector):
    """Keep a level per series; the score is the distance from it. Checks that calls follow the contract."""

    state_size = 2  # the level, and the time at which it last moved

    @classmethod
    def fit(cls, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def bind(self, series):
        return np.array([int(name.split("-")[-1]) for name in series], np.int64)

    def _score(self, batch):
        known = batch.binding[batch.binding >= 0]  # the trial batch at loading binds none
        assert len(np.unique(known)) == len(known), "a series twice in one call"
        assert (batch.end >= batch.state[:, 1]).all(), "a series out of order"
        newest = batch.values[:, -1].sum(axis=1)
        score = np.abs(newest - batch.state[:, 0])
        batch.state[:, 0] += np.where(np.isnan(newest), 0.0, 0.3 * (newest - batch.state[:, 0]))
        batch.state[:, 1] = batch.end
        return score

    def _explain(self, batch, limit):
        expected = np.repeat(batch.state[:, :1], len(self.spec.features), axis=1)
        reach = limit[:, None]
        return Explanation(expected, expected - reach, expected + reach, np.full_like(expected, 1 / expected.shape[1]))

    def to_state(self):
        return {}, {}

    @classmethod
    def from_state(cls, spec, arrays, params):
        return cls(spec)


Level.kind = "test-level"  # set after the class, so that it stays out of the catalog that other tests use


class Adaptive(Threshold):
    """Follow the scores of each series with a limit."""

    state_size = 1

    @classmethod
    def fit(cls, scores, **params):
        raise NotImplementedError

    def limits(self, scores, binding, state):
        limits = 2.0 + state[:, 0]
        state[:, 0] += np.where(np.isnan(scores), 0.0, 0.2 * (scores - state[:, 0]))
        return limits

    def to_params(self):
        return {"policy": self.policy}

    @classmethod
    def from_params(cls, params):
        return cls()


Adaptive.policy = "test-adaptive"


def manifest(name: str = "z", detector: Detector | None = None, limit: float = 1.7, **fields: Any) -> Manifest:
    """Build a manifest with its artifact inline."""
    detector = detector or RollingZScore(WindowSpec(4))
    content, spec = artifact.dump(detector), detector.spec
    found = Manifest(
        name=name,
        version=1,
        detector=detector.kind,
        series=("*",),
        features=spec.features,
        window=spec.window,
        stride=spec.stride,
        interval_ms=spec.interval_ms,
        threshold={"policy": "fixed", "default": limit},
        created="2026-01-01T00:00:00+00:00",
        sha256=artifact.sha256(content),
        alerts={"close_after": 2},
    )
    return replace(found.with_artifact(content), **fields)


def inline(manifest: Manifest) -> bytes:
    return manifest.inline_artifact() or b""


def model_set(*manifests: Manifest) -> ModelSet:
    models = ModelSet()
    for one in manifests:
        assert models.put(one, inline)
    return models


class Job:
    """Run an engine with its keyed state in a dict, in place of the Flink job's MapState."""

    def __init__(self, models: ModelSet, options: EngineOptions | None = None, store: dict[str, bytes] | None = None):
        self.models, self.options, self.store = models, options or EngineOptions(), {} if store is None else store
        self.engine = Engine(models, self.options)
        self.state = EngineState(self.engine)
        self.outcomes: list[BatchResult] = []
        if self.store:
            self.state.restore(dict(self.store))

    def send(self, events: Sequence[Event], now: int = 0, final: bool = False) -> BatchResult:
        self.engine.adopt_models()  # before slots are assigned, as in the shard
        columns = self.models.columns
        values = np.full((len(events), len(columns)), np.nan)
        for i, (_, _, features) in enumerate(events):
            for feature, value in features.items():
                if feature in columns:
                    values[i, columns[feature]] = value
        slots = self.engine.slots([series for series, _, _ in events])
        ts = np.array([t for _, t, _ in events], np.int64)
        result = self.engine.process(slots, ts, values, now, final)
        self.outcomes.append(result)
        return result

    def checkpoint(self) -> dict[str, bytes | None]:
        changes = self.state.changes()
        for key, value in changes.items():
            if value is None:
                self.store.pop(key, None)
            else:
                self.store[key] = value
        return changes

    def restarted(self, models: ModelSet | None = None) -> Job:
        """Return a new process with the state of the last checkpoint."""
        return Job(self.models if models is None else models, self.options, dict(self.store))


def run(
    models: Callable[[], ModelSet],
    events: Sequence[Event],
    batch: int,
    options: EngineOptions | None = None,
    restart_after: Iterable[int] = (),
) -> tuple[list[dict[str, Any]], Job]:
    """Run all events in batches, with a restart after some; return their alerts, and the job at the end."""
    job, alerts = Job(models(), options), []
    for number, start in enumerate(range(0, len(events), batch)):
        alerts += job.send(events[start : start + batch]).alerts
        if number in restart_after:
            job.checkpoint()
            job = job.restarted(models())
    alerts += job.send([], final=True).alerts
    return sorted((asdict(a) for a in alerts), key=repr), job


def points(series: str, values: Sequence[float], start: int = 0, step: int = STEP) -> list[Event]:
    """Build regular events of one feature."""
    return [(series, (start + i) * step, {"value": value}) for i, value in enumerate(values)]


def severities(model, scores, limits, beyond):
    """Rate scores of windows that say nothing of themselves."""
    n, spec = len(scores), model.detector.spec
    windows = np.zeros((n, spec.window, len(spec.features)))
    state = model.detector.initial_state(n)
    batch = WindowBatch(windows, np.zeros(windows.shape[:2], bool), np.arange(n), np.full(n, -1), state)
    return model.severities(batch, scores, limits, np.asarray(beyond, float))
