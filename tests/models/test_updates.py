"""Check incremental training: fine-tuned weights and replaced trees."""

from __future__ import annotations

import numpy as np
import pytest

from eddy.models.core.detector import Detector, Series, WindowSpec
from eddy.models.detectors.isolation_forest.detector import IsolationForest
from eddy.models.detectors.lstm.autoencoder import LstmAutoencoder

STEP, DAY = 60_000, 24
SPEC = WindowSpec(24, interval_ms=STEP)
SMALL = {"epochs": 6, "hidden": 8, "windows_per_epoch": 400}


def wave(name: str, n: int = 700, level: float = 0.0, size: float = 1.0, seed: int = 0) -> Series:
    rng = np.random.default_rng(seed)
    values = level + size * np.sin(2 * np.pi * np.arange(n) / DAY) + rng.normal(0, 0.05, n)
    return Series(name, np.arange(n, dtype=np.int64) * STEP, values[:, None], np.zeros(n, np.bool_))


@pytest.fixture(scope="module")
def lstm() -> Detector:
    return LstmAutoencoder.fit([wave("a"), wave("b", size=2.0)], SPEC, SMALL)[0]


def test_fine_tuning_starts_from_the_trained_weights(lstm: LstmAutoencoder) -> None:
    recent = [wave("b", size=2.0, seed=3), wave("new", seed=4)]
    tuned, report = lstm.updated(recent, SPEC, SMALL)
    fresh, anew = LstmAutoencoder.fit(recent, SPEC, {**SMALL, "epochs": 2})
    assert len(report.history) == 2  # a third of the epochs
    assert report.history[0]["validation_loss"] < anew.history[0]["validation_loss"]
    assert list(tuned.bind(["a", "b", "new"])) == [-1, 0, 1]
    assert tuned.phase == lstm.phase
    moved = np.abs(tuned.arrays["encoder.input"] - lstm.arrays["encoder.input"]).mean()
    assert moved < np.abs(fresh.arrays["encoder.input"] - lstm.arrays["encoder.input"]).mean()


def test_changed_architecture_is_trained_from_scratch(lstm: LstmAutoencoder) -> None:
    wider, _ = lstm.updated([wave("a")], SPEC, {**SMALL, "hidden": 12})
    assert wider.arrays["encoder.recurrent"].shape[-1] == 12


def test_forest_update_replaces_the_oldest_trees() -> None:
    params = {"trees": 20, "refresh": 0.25}
    forest, _ = IsolationForest.fit([wave("a")], SPEC, params)
    first, report = forest.updated([wave("a", seed=5)], SPEC, params)
    second, _ = first.updated([wave("a", seed=6)], SPEC, params)
    assert len(first.column) == len(second.column) == 20
    np.testing.assert_array_equal(first.threshold[:15], forest.threshold[5:])
    np.testing.assert_array_equal(second.threshold[:15], first.threshold[5:])
    assert not np.array_equal(first.threshold[15:], forest.threshold[15:])
    assert not np.array_equal(second.threshold[15:], first.threshold[15:])
    assert len(report.scores["a"]) > 100


def test_forest_with_other_parameters_is_trained_from_scratch() -> None:
    forest, _ = IsolationForest.fit([wave("a")], SPEC, {"trees": 20})
    other, _ = forest.updated([wave("a")], SPEC, {"trees": 20, "samples": 64})
    assert other.samples == 64
