"""Check the adapters of scikit-learn and river: what is saved, what is refused, and that they run in the job."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from eddy.errors import DataError, ModelError, SettingsError
from eddy.models.artifacts import artifact
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Detector, Series, WindowSpec
from eddy.models.detectors.river_adapter import RiverDetector
from eddy.models.detectors.sklearn_adapter import _BOUNDED, ESTIMATORS, SklearnDetector
from eddy.training.fitting.fit import ThresholdRule, fit_model
from tests.models.small_models import STEP, Job, inline, model_set, points

RIVER = ("HalfSpaceTrees", "GaussianScorer", "StandardAbsoluteDeviation", "OneClassSVM")
LINEAR = [("sklearn", "SGDOneClassSVM"), ("river", "OneClassSVM")]  # look at one side
CHOICES = [*(("sklearn", name) for name in ESTIMATORS), *(("river", name) for name in RIVER)]


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(50, 2, n)


def series(n: int = 600) -> Series:
    return Series("s-0", np.arange(n, dtype=np.int64) * STEP, noise(n)[:, None], np.zeros(n, bool))


def fitted(kind: str, **params: Any) -> Detector:
    return DETECTORS.get(kind).fit([series()], WindowSpec(4), params, seed=1)[0]


@pytest.mark.parametrize(("kind", "estimator"), CHOICES)
def test_every_estimator_alerts_in_the_engine_and_continues_after_a_restart(kind: str, estimator: str) -> None:
    small = {"height": 4} if estimator == "HalfSpaceTrees" else {}
    rule = ThresholdRule("max") if kind == "sklearn" and estimator in _BOUNDED else None
    rule = ThresholdRule("percentile") if estimator == "HalfSpaceTrees" else rule
    chosen = {"estimator": estimator, **small}
    trained = fit_model("m", kind, [series()], WindowSpec(4), params=chosen, rule=rule, seed=1)
    assert any("take --threshold" in note for note in trained.notes) == (rule is not None)
    manifest = trained.publishable()
    assert artifact.dump(artifact.load(inline(manifest))) == inline(manifest)
    values = noise(80, 7)
    values[60:62] = 500.0
    events = points("s-0", values.tolist(), start=600)

    def alerts(restart: bool) -> list[dict[str, Any]]:
        job, found = Job(model_set(manifest)), []
        for start in range(0, len(events), 20):
            found += job.send(events[start : start + 20]).alerts
            if restart:
                job.checkpoint()
                job = job.restarted(model_set(manifest))
        return [asdict(a) for a in found + job.send([], final=True).alerts]

    whole = alerts(restart=False)
    assert alerts(restart=True) == whole
    if (kind, estimator) not in LINEAR:
        assert any(a["start"] <= 661 * STEP <= a["end"] + 2 * STEP for a in whole)


@pytest.mark.parametrize("estimator", RIVER)
def test_scores_equal_those_of_river_itself(estimator: str) -> None:
    """Through plain numbers after each point, as in keyed state, against an object that lives on."""
    from river import anomaly

    small = {"height": 4, "window_size": 50} if estimator == "HalfSpaceTrees" else {}
    detector = RiverDetector.fit([series()], WindowSpec(1), {"estimator": estimator, **small}, seed=1)[0]
    plain = getattr(anomaly, estimator)(**small, **({"seed": 1} if small else {}))
    supervised = estimator in ("GaussianScorer", "StandardAbsoluteDeviation")
    z = (series().values[:, 0] - detector.scaler.centre[0, 0]) / detector.scaler.spread[0, 0]
    scores = []
    for value in z.tolist():
        x = {0: min(max(0.5 + 0.1 * value, 0.0), 1.0) if small else value}
        given = (None, value) if supervised else (x,)
        score = plain.score_one(*given)
        bounded = estimator in ("HalfSpaceTrees", "GaussianScorer")
        scores.append(-np.log(max(1.0 - score, 1e-12)) if bounded else score)
        plain.learn_one(*given)
    state = np.r_[1.0, detector._start[-1, 1:]][None]
    if small:
        state[0, 1:] = np.r_[0.0, 1.0, np.zeros(state.shape[1] - 3)]
    else:
        state[0, 1:] = type(detector.model)(anomaly, detector.params, 1, 1).numbers()
    one_by_one = []
    for value in z:
        one_by_one.append(detector._run(state, np.array([[value]]))[0])
        detector.model.load(np.zeros(state.shape[1] - 1))  # as another series would leave the object
    np.testing.assert_allclose(one_by_one, scores, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "params", "said"),
    [
        ("sklearn", {"estimator": "Pipeline"}, r"'Pipeline' is not supported; expected one of .*LocalOutlierFactor"),
        ("sklearn", {"n_neighbours": 3}, r"no parameter 'n_neighbours' to be set; did you mean 'n_neighbors'"),
        ("sklearn", {"novelty": False}, r"no parameter 'novelty' to be set"),
        ("sklearn", {"metric": ["a"]}, r"expected a number or text"),
        ("river", {"estimator": "LocalOutlierFactor"}, r"keeps its past as objects.*nothing is pickled"),
        ("river", {"estimator": "QuantileFilter"}, r"holds any other model"),
        ("river", {"estimator": "GaussianScorer", "n_trees": 5}, r"GaussianScorer has no parameter 'n_trees'"),
        ("river", {"height": 40}, r"height 1 to 12"),
    ],
)
def test_what_is_not_supported_is_refused_and_says_why(kind: str, params: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        fitted(kind, **params)


def test_estimator_that_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(DataError, match=r"OneClassSVM cannot be fitted .*nu"):
        fitted("sklearn", estimator="OneClassSVM", nu=2.0)


def test_artifact_cannot_name_another_class() -> None:
    arrays, params = fitted("sklearn").to_state()
    with pytest.raises(ModelError, match="'Popen' is not supported"):
        SklearnDetector.from_state(WindowSpec(4), arrays, {**params, "estimator": "Popen"})


def test_release_that_scores_or_draws_otherwise_is_refused() -> None:
    arrays, params = fitted("sklearn").to_state()
    with pytest.raises(ModelError, match="scores otherwise than when the model was trained"):
        SklearnDetector.from_state(WindowSpec(4), {**arrays, "scores": arrays["scores"] + 0.1}, params)
    arrays, params = fitted("river", height=4).to_state()
    with pytest.raises(ModelError, match="draws other trees"):
        RiverDetector.from_state(WindowSpec(4), {**arrays, "fixed": arrays["fixed"] + 0.1}, params)
