"""A detector for data frames has scikit-learn's habits, and costs nothing to import."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.utils.validation import check_is_fitted

import eddy
from eddy import Detector
from eddy.errors import SettingsError
from eddy.models.catalog import DETECTORS
from eddy.stack.paths import ROOT
from eddy.training.notebook import frame_detector
from tests.training.pumps import NEW, OLD, SPIKES, TRAINED, WIDE, long


@pytest.fixture(scope="module")
def fitted() -> Detector:
    return Detector(interval="10m").fit(OLD)


def test_the_front_door_opens_in_an_instant() -> None:
    """Nothing that takes time to import, or that a reader of alerts does not have, comes with the name."""
    heavy = ("pyflink", "py4j", "kafka", "confluent_kafka", "redis", "torch", "sklearn", "numba", "scipy", "pandas",
             "polars", "pyarrow", "narwhals", "matplotlib", "pydantic")  # fmt: skip
    program = (
        "import sys, eddy\n"
        "assert 'eddy.training' not in sys.modules and 'numpy' not in sys.modules, 'import eddy is cheap'\n"
        "eddy.Detector('auto', interval='10m')\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert "Detector" in dir(eddy)
    with pytest.raises(AttributeError, match="no attribute 'Detectors'"):
        _ = eddy.Detectors


def test_the_example_of_the_docstring() -> None:
    found = doctest.testmod(frame_detector)
    assert found.attempted >= 5
    assert found.failed == 0


def test_auto_is_a_detector_that_is_shipped(fitted: Detector) -> None:
    assert "auto" in DETECTORS
    assert (fitted.kind, fitted.manifest_.detector) == ("auto", "auto")


def test_parameters_are_stored_as_given_and_checked_in_fit() -> None:
    given: dict[str, Any] = {"kind": "nothing", "interval": object(), "params": {"limit": object()}, "values": ["x"]}
    detector = Detector(**given)
    assert all(detector.get_params()[name] is value for name, value in given.items())
    with pytest.raises(SettingsError, match="interval: found <object"):
        detector.fit(OLD.rename(columns={"pump-1": "x"}))


def test_clone_and_set_params(fitted: Detector) -> None:
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "trained_")
    check_is_fitted(fitted)
    assert copy.set_params(kind="zscore", window=30) is copy
    assert repr(copy) == "Detector('zscore', interval='10m', window=30)"
    assert clone(copy).fit(OLD).manifest_.window == 30
    with pytest.raises(SettingsError, match="Detector has no parameter 'windows'; known: kind, interval, window"):
        copy.set_params(windows=3)
    assert copy.window == 30


def test_signs_are_those_of_scikit_learn(fitted: Detector) -> None:
    one = NEW[["time", "pump-1"]]
    points = fitted.detect(one).points
    assert np.array_equal(fitted.score_samples(one), -points["score"], equal_nan=True)
    assert np.array_equal(fitted.decision_function(one), points["threshold"] - points["score"], equal_nan=True)
    assert (fitted.predict(one) == np.where(points["anomaly"], -1, 1)).all()
    assert (fitted.predict(one) == -1).sum() == points["anomaly"].sum() > 0
    assert int(fitted.score_samples(one).argmin()) == SPIKES["pump-1"] - TRAINED


def test_scores_lie_where_their_cells_lie(fitted: Detector) -> None:
    holes = NEW.copy()
    holes.iloc[3, 1] = np.nan
    cells = fitted.score_samples(holes)
    assert cells.shape == (len(NEW), 2)
    assert np.argwhere(np.isnan(cells)).tolist() == [[3, 0]]
    mixed = long(holes)
    by_row = pd.Series(fitted.score_samples(mixed), index=mixed.index)
    expected = [cells[(t - NEW["time"].iloc[0]) // pd.Timedelta("10min"), int(s[-1]) - 1]
                for t, s in zip(mixed["time"], mixed["series"], strict=True)]  # fmt: skip
    assert by_row.tolist() == expected
    assert fitted.predict(holes)[3, 0] == 1


def test_a_grid_search_chooses_parameters() -> None:
    def quiet(estimator: Detector, frame: pd.DataFrame, y: Any = None) -> float:
        return -float((estimator.predict(frame) == -1).mean())

    grid = {"params": [{"limit": limit} for limit in np.array([1.2, 6.0])]}
    # numpy's numbers reach the manifest as JSON's
    counts = {"params": {"trees": np.int64(5)}, "window": 12}
    assert Detector("isolation-forest", **counts).fit(OLD).manifest_.to_json()
    search = GridSearchCV(Detector("novelty"), grid, cv=TimeSeriesSplit(2), scoring=quiet).fit(WIDE[["time", "pump-1"]])
    assert search.best_params_ == {"params": {"limit": 6.0}}
    assert json.loads(search.best_estimator_.manifest_.to_json())["training"]["params"] == {"limit": 6.0}
