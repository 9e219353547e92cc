"""The benchmark's workload: the same JSON events for every system, and the models that judge them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Detector, Series, WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.producers.transport import connect
from eddy.settings import Settings

START = 1_735_689_600_000
STEP_MS = 1000
BLOCK = 20_000
SPIKE_EVERY = 5_003  # events; a prime, so that spikes wander over the series
TRAINING_POINTS = 600


@lru_cache(maxsize=4)
def _keys(series: int) -> list[bytes]:
    """A million of them take half a second: made once, not for each block."""
    return [b"server-%05d" % k for k in range(series)]


@dataclass(frozen=True)
class Workload:
    """``events`` observations, round robin over ``series``, windows of ``window`` points.

    Attributes:
        kind: ``Z`` rolling z-score above 3, ``F`` isolation forest, ``L`` LSTM autoencoder, ``W``
            a wide one (336 × 64, usually with a stride of 48).
    """

    kind: str = "Z"
    events: int = 2_000_000
    series: int = 1000
    window: int = 30
    stride: int = 1
    seed: int = 0

    def values(self, start: int, stop: int) -> Any:
        """Noise of unit variance with a spike now and then; any part of the stream can be made by itself."""
        blocks = []
        for block in range(start // BLOCK, -(-stop // BLOCK)):
            rng = np.random.default_rng([self.seed, block])
            values = rng.normal(100, 1, BLOCK)
            index = np.arange(block * BLOCK, (block + 1) * BLOCK)
            values[index % SPIKE_EVERY == SPIKE_EVERY - 1] += 12
            blocks.append(values)
        return np.concatenate(blocks)[start - start // BLOCK * BLOCK :][: stop - start]

    def names(self) -> list[str]:
        return [key.decode() for key in _keys(self.series)]

    def messages(self, start: int, stop: int) -> tuple[list[bytes], list[bytes]]:
        """Keys and values of some events."""
        keys = _keys(self.series)
        values = self.values(start, stop)
        chosen = [keys[i % self.series] for i in range(start, stop)]
        return chosen, [
            b'{"series":"%b","ts":%d,"value":%.4f}' % (key, START + i // self.series * STEP_MS, value)
            for i, (key, value) in enumerate(zip(chosen, values.tolist(), strict=True), start)
        ]

    def training_series(self) -> list[Series]:
        """What the models are trained on: some of the series, without spikes."""
        rng = np.random.default_rng(self.seed)
        ts = np.arange(TRAINING_POINTS, dtype=np.int64) * STEP_MS
        blank = np.zeros(TRAINING_POINTS, bool)
        return [Series(n, ts, rng.normal(100, 1, (TRAINING_POINTS, 1)), blank) for n in self.names()[:40]]

    def model(self) -> tuple[Manifest, bytes]:
        """The model, trained where it needs to be."""
        spec = WindowSpec(self.window, self.stride)
        limit = 3.0
        if self.kind == "Z":
            detector: Detector = RollingZScore(spec)
        else:
            series = self.training_series()
            kind = "isolation-forest" if self.kind == "F" else "lstm-autoencoder"
            hidden = {"L": 32, "W": 64}.get(self.kind)
            params = {"hidden": hidden, "epochs": 2, "windows_per_epoch": 2000} if hidden else {}

            detector, report = DETECTORS.get(kind).fit(series, spec, params, self.seed)
            pooled = np.concatenate(list(report.scores.values()))
            limit = float(np.max(pooled) * 1.05)
        content = artifact.dump(detector)
        manifest = Manifest(
            name="bench",
            version=1,
            detector=detector.kind,
            series=("*",),
            features=("value",),
            window=self.window,
            stride=self.stride,
            interval_ms=0,
            threshold={"policy": "fixed", "default": limit},
            created=datetime.now(UTC).isoformat(),
            sha256=artifact.sha256(content),
        )
        return manifest, content

    def fill(self, settings: Settings) -> float:
        """Put all events on the topic; returns the rate."""
        transport = connect(settings.kafka, settings.topics.name("observations"), "librdkafka")
        began = time.perf_counter()
        for start in range(0, self.events, BLOCK):
            keys, values = self.messages(start, min(start + BLOCK, self.events))
            while not transport.wait_for_room(1.0):
                pass
            transport.send(keys, values)
        left = transport.flush(120)
        transport.close()
        assert not left, f"{left} events did not reach the broker"
        return self.events / (time.perf_counter() - began)
