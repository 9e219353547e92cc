"""Check that every unusable model is refused with a reason and the previous version stays."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from eddy.errors import ModelError
from eddy.models.artifacts import artifact
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.serving.loaded_model import load_model
from eddy.models.serving.model_set import ModelSet
from tests.models.small_models import Level, inline, manifest, model_set, severities


class Broken(Level):
    """Fails in the way that its features name."""

    def _score(self, batch):
        way = self.spec.features[0]
        if way == "raises":
            raise KeyError("weights")
        if way == "shape":
            return np.zeros((len(batch), 2))
        if way == "nan":
            return np.full(len(batch), np.nan)
        return np.zeros(len(batch))

    def _explain(self, batch, limit):
        raise ValueError("no band")


Broken.kind = "test-broken"


@pytest.fixture(autouse=True)
def catalog():
    with DETECTORS.registered(Broken):
        yield


def with_spec(**spec):
    """A manifest whose artifact agrees with it, whatever the spec says."""
    detector = RollingZScore(WindowSpec(4))
    detector.spec = replace(WindowSpec(4), **spec)
    return manifest("z", detector)


GOOD = manifest()
OTHER = artifact.dump(RollingZScore(WindowSpec(5)))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (replace(GOOD, sha256="0" * 64), "sha256 is .*publish again"),
        (replace(GOOD, artifact=base64.b64encode(OTHER).decode()), "sha256 is"),
        (replace(GOOD, artifact=base64.b64encode(OTHER).decode(), sha256=artifact.sha256(OTHER)), "the manifest says"),
        (replace(GOOD, window=5), "the artifact is .* the manifest says"),
        (replace(GOOD, stride=2), "the artifact is"),
        (replace(GOOD, features=("b",)), "the artifact is"),
        (replace(GOOD, interval_ms=7), "the artifact is"),
        (replace(GOOD, detector="lstm-autoencoder"), "the artifact is"),
        (replace(GOOD, artifact="no base64!"), "not base64"),
        (replace(GOOD, artifact=base64.b64encode(b"junk").decode(), sha256=artifact.sha256(b"junk")), "not an Eddy"),
        (replace(GOOD, threshold={}), "threshold policy 'None' is unknown; known: .*fixed"),
        (replace(GOOD, threshold={"policy": "wish"}), "threshold policy 'wish' is unknown"),
        (replace(GOOD, threshold={"policy": "fixed"}), "needs a number 'default'"),
        (replace(GOOD, threshold={"policy": "fixed", "default": "high"}), "needs a number"),
        (replace(GOOD, threshold={"policy": "fixed", "default": float("inf")}), "expected a finite number"),
        (replace(GOOD, threshold={"policy": "fixed", "default": 1, "per_series": [1]}), "threshold"),
        (
            replace(GOOD, threshold={"policy": "fixed", "default": 1, "per_series": {"a": float("nan")}}),
            "per_series.*'a'.*expected a finite number",
        ),
        (replace(GOOD, calibration={"quantiles": [0, 1], "mean_excess": 1}), "calibration: expected 8"),
        (replace(GOOD, calibration={"quantiles": [0] * 8}), "calibration: "),
        (replace(GOOD, calibration={"quantiles": [0] * 8, "mean_excess": 0}), "calibration: "),
        (replace(GOOD, calibration={"quantiles": [*range(7), 0], "mean_excess": 1}), "calibration: .*not decreasing"),
        (replace(GOOD, alerts={"close_after": 0}), "alerts.close_after: found 0"),
        (replace(GOOD, alerts={"snooze": 1}), "alerts.snooze: unknown"),
        (with_spec(gap_policy="guess"), "gap_policy.*'guess'.*hold, linear, break"),
        (with_spec(max_gap=-1), "max_gap"),
        (with_spec(max_gap=2.5), "max_gap"),
        (replace(GOOD, series=tuple(f"s-{k}*" for k in range(1001))), "1001 series patterns with wildcards"),
        (with_spec(max_gap=10**6 + 1), "max_gap 1000001: expected a whole number from 0 to 1000000"),
        (with_spec(window=10**9), "window"),
        (with_spec(window=120_000), "keep 1080000 bytes of each series; expected at most 1048576"),
        (with_spec(features=("a", "a")), "features"),
        (manifest("z", Broken(WindowSpec(2, 1, ("raises",)))), "cannot score: KeyError"),
        (manifest("z", Broken(WindowSpec(2, 1, ("shape",)))), "gives no usable score"),
        (manifest("z", Broken(WindowSpec(2, 1, ("nan",)))), "gives no usable score"),
        (manifest("z", Broken(WindowSpec(2, 1, ("explain",)))), "cannot explain: ValueError: no band"),
    ],
)
def test_invalid_version_is_refused_and_the_previous_one_stays(bad, said):
    models = model_set(GOOD)
    before, generation, columns = models.models["z"], models.generation, dict(models.columns)
    with pytest.raises(ModelError, match=said) as refused:
        models.put(replace(bad, version=2), inline)
    assert "\n" not in str(refused.value)
    assert models.models["z"] is before
    assert models.generation == generation
    assert models.columns == columns


def header(**changes):
    """An artifact with a header of one's own."""
    content = artifact.dump(RollingZScore(WindowSpec(4)))
    length = int.from_bytes(content[:8], "little")
    tensors = json.loads(content[8 : 8 + length])
    ours = json.loads(tensors["__metadata__"]["eddy"]) | changes
    tensors["__metadata__"]["eddy"] = json.dumps(ours)
    raw = json.dumps(tensors).encode()
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(8, "little") + raw + content[8 + length :]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "truncated"),
        (artifact.dump(RollingZScore(WindowSpec(4)))[:40], "truncated"),
        (b"\xff" * 100, "not an Eddy artifact"),
        (header(schema=2), "upgrade the job first"),
        (header(detector="oracle"), "detector 'oracle' is unknown; known: "),
        (header(spec={"window": 4}), "spec: found .*'window'.*, expected an object with features, gap_policy"),
        (header(spec={"window": 4, "features": ["value"], "wings": 2}), "spec: found .*'wings'"),
        (header(spec={"window": 4.0, "features": ["value"]}), "window: found 4.0, expected a whole number"),
        (header(spec=None), "spec: found NoneType, expected an object"),
    ],
)
def test_invalid_artifact_is_refused(content, said):
    with pytest.raises(ModelError, match=said):
        load_model(replace(GOOD, sha256=artifact.sha256(content)), content)


def test_same_version_again_is_not_fetched():
    models = model_set(GOOD)
    assert not models.put(GOOD, lambda _: pytest.fail("fetched"))
    assert models.generation == 1
    assert models.put(replace(GOOD, version=2), inline)
    assert models.generation == 2
    assert models.put(GOOD, inline), "back to an earlier version"


def test_withdrawn_model_is_removed():
    models = model_set(GOOD)
    assert models.withdraw("z")
    assert not models.withdraw("z")
    assert models.applying_to("s") == []
    assert models.generation == 2


def test_only_configured_detector_kinds_are_loaded():
    models = ModelSet(frozenset({"lstm-autoencoder"}))
    assert not models.put(GOOD, lambda _: pytest.fail("fetched"))
    assert not models.models


def test_feature_columns_only_grow_and_are_unique():
    models = model_set(manifest("z", RollingZScore(WindowSpec(4, 1, ("b", "value")))))
    models.put(manifest("y", RollingZScore(WindowSpec(4, 1, ("c", "b")))), inline)
    models.withdraw("z")
    assert models.columns == {"value": 0, "b": 1, "c": 2}


def test_models_of_a_series_follow_the_patterns():
    models = model_set(manifest("a", series=("taxi-*", "!taxi-9*")), manifest("b"))
    assert models.applying_to("taxi-1") == ["a", "b"]
    assert models.applying_to("taxi-99") == ["b"]


def test_severity_rises_with_the_score_and_is_never_critical_without_a_calibration():
    calibrated = replace(GOOD, calibration={"quantiles": [0, 1, 2, 3, 4, 5, 6, 7], "mean_excess": 1.0})
    models = model_set(calibrated, manifest("plain"))
    scores, limits = np.array([5.0, 7.0, 8.0, 10.0, 20.0, 1e6]), np.full(6, 7.0)
    found = severities(models.models["z"], scores, limits, scores - 8.0)
    assert (np.diff(found) >= 0).all()
    assert found[0] < 25
    assert found[-1] == 90
    plain = severities(models.models["plain"], scores, limits, scores - 8.0)
    assert (np.diff(plain) >= 0).all()
    assert 50 <= plain[-1] < 75
