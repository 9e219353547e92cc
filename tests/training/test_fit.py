from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eddy.errors import DataError, ModelError, SettingsError
from eddy.models.artifacts import artifact
from eddy.models.artifacts.calibration import Calibration
from eddy.models.core.detector import WindowSpec
from eddy.models.serving.loaded_model import load_model
from eddy.testing.toy_series import TRAIN
from eddy.training.fitting import artifacts
from eddy.training.fitting.causal_run import labelled_scores
from eddy.training.fitting.fit import ThresholdRule, fit_model, tail_limit, usual_window

SPEC = WindowSpec(48, interval_ms=30 * 60_000)
FOREST = {"trees": 20}


def test_trained_model_is_written_and_loads_in_the_job(tmp_path: Path) -> None:
    trained = fit_model("m", "lstm-autoencoder", TRAIN, SPEC, params={"epochs": 2, "hidden": 8}, seed=1)
    files = artifacts.write(tmp_path, trained)
    assert [f.name for f in files] == ["model.safetensors", "manifest.json", "history.json", "loss.png"]
    manifest, content = artifacts.read(tmp_path)
    assert manifest == trained.manifest
    assert (content, manifest.artifact) == (trained.content, "")
    assert load_model(trained.publishable(), content).detector.spec == SPEC
    history = json.loads((tmp_path / "history.json").read_text())
    assert [h["epoch"] for h in history] == [1, 2]


def test_detector_without_epochs_writes_no_loss_plot(tmp_path: Path) -> None:
    trained = fit_model("m", "isolation-forest", TRAIN, SPEC, params=FOREST)
    (tmp_path / "loss.png").write_bytes(b"of an earlier model")
    artifacts.write(tmp_path, trained)
    assert not (tmp_path / "loss.png").exists()


def test_artifact_that_does_not_match_its_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="eddy train"):
        artifacts.read(tmp_path)
    artifacts.write(tmp_path, fit_model("m", "isolation-forest", TRAIN, SPEC, params=FOREST))
    (tmp_path / "model.safetensors").write_bytes(b"another")
    with pytest.raises(ModelError, match="sha256"):
        artifacts.read(tmp_path)


@pytest.mark.parametrize("rate", [0.2, 1e-2, 1e-4, 1e-7])
def test_tail_limit_has_the_requested_tail_probability(rate: float) -> None:
    calibration = Calibration.fit(np.random.default_rng(0).gumbel(size=5000))
    assert calibration.tail(np.array([tail_limit(calibration, rate)]))[0] == pytest.approx(rate, rel=1e-6)


def test_threshold_rules_choose_the_expected_limits() -> None:
    scores = {"a": np.arange(1000.0)}
    calibration = Calibration.fit(scores["a"])

    def limit(name: str, **params: float) -> float:
        threshold = ThresholdRule(name, params=params).fit(scores, calibration)
        return float(threshold.limits(np.zeros(1), np.array([-1]), np.zeros((1, 0)))[0])

    assert limit("contamination", contamination=0.05) == pytest.approx(np.percentile(scores["a"], 95))
    assert limit("percentile", q=90.0) == pytest.approx(np.percentile(scores["a"], 90))
    assert limit("max", factor=1.5) == pytest.approx(1498.5)
    assert limit("tail") > 999
    with pytest.raises(SettingsError, match=r"unknown.*spot"):
        limit("guess")
    with pytest.raises(SettingsError, match="false rate"):
        ThresholdRule(false_rate=0.0).fit(scores, calibration)


def test_adaptive_threshold_reaches_the_manifest() -> None:
    rule = ThresholdRule("spot", params={"q": 1e-3, "learn": 600})
    trained = fit_model("m", "isolation-forest", TRAIN, SPEC, params=FOREST, rule=rule)
    loaded = load_model(trained.publishable(), trained.content)
    assert loaded.threshold.to_params() == trained.manifest.threshold
    assert (loaded.threshold.policy, loaded.threshold.state_size > 64) == ("spot", True)
    with pytest.raises(SettingsError, match="did you mean 'q'"):
        fit_model("m", "isolation-forest", TRAIN, SPEC, params=FOREST, rule=ThresholdRule("spot", params={"qq": 1e-3}))


def test_f_beta_rule_chooses_the_limit_by_labels() -> None:
    odd = replace(TRAIN[0], values=TRAIN[0].values.copy())
    odd.values[[300, 500, 700], 0] += 90.0
    labels = {odd.name: [(int(odd.ts[at]), int(odd.ts[at])) for at in (300, 500, 700)]}
    rule = ThresholdRule("f-beta", params={"beta": 0.5}, labels=labels)
    trained = fit_model("m", "zscore", TRAIN, SPEC, rule=rule, scored=[odd])
    threshold = load_model(trained.publishable(), trained.content).threshold
    scores, flags = labelled_scores(artifact.load(trained.content), [odd], labels)
    assert (scores["a"] > threshold.start)[flags["a"]].all()
    assert not (scores["a"] > threshold.start)[~flags["a"]].any()


def test_unknown_detector_and_too_little_data_are_refused() -> None:
    with pytest.raises(SettingsError, match="isolation-forest"):
        fit_model("m", "forest", TRAIN, SPEC)
    few = [replace(s, ts=s.ts[:120], values=s.values[:120], imputed=s.imputed[:120]) for s in TRAIN]
    with pytest.raises(DataError, match="validation scores"):
        fit_model("m", "isolation-forest", few, SPEC, params=FOREST)


def test_default_window_fits_detector_and_interval() -> None:
    assert usual_window("isolation-forest", 60_000, 200) == 200
    assert usual_window("lstm-autoencoder", 60_000, 200) == 48
    assert usual_window("lstm-repeat-vector", 30 * 60_000, 200) == 48  # a day of half-hours
    assert usual_window("lstm-repeat-vector", 60_000, 200) == 60  # a day of minutes would be 1,440 points
    assert usual_window("lstm-repeat-vector", 0, 200) == 60
