"""A detector for data frames: saving and loading, plots, and errors that name what cannot be used."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import eddy
from eddy import Detector
from eddy.alert import Alert
from eddy.errors import DataError, EddyError, ModelError, SettingsError
from eddy.settings import Settings
from eddy.training.fitting import artifacts
from eddy.training.notebook import frame_detector
from tests.training.pumps import FOREST, NEW, OLD, SPIKES, long, rows


@pytest.fixture(scope="module")
def fitted() -> Detector:
    return Detector(interval="10m").fit(OLD)


def test_a_saved_detector_is_the_same(tmp_path: Path) -> None:
    detector = Detector(
        "isolation-forest", interval=timedelta(minutes=10), window=12, params={"trees": 20}, threshold="percentile",
        threshold_params={"q": 99.9}, alerts={"close_after": 6}, name="pumps", patterns=["pump-*"], values=["value"],
    ).fit(long(OLD))  # fmt: skip
    files = detector.save(tmp_path / "a" / "pumps")
    assert {file.name for file in files} == {"model.safetensors", "manifest.json", "history.json", "detector.json"}
    manifest, content = artifacts.read(tmp_path / "a" / "pumps")  # as every command reads it
    assert (manifest, content) == (detector.manifest_, detector.trained_.content)
    back = Detector.load(tmp_path / "a" / "pumps")
    assert back.get_params() == {**detector.get_params(), "interval": "10m"}
    assert back.manifest_ == detector.manifest_
    new = long(NEW).assign(note="")
    assert rows(back.detect(new).points) == rows(detector.detect(new).points)
    assert back.detect(new).alerts == detector.detect(new).alerts
    assert back.fit(long(OLD)).manifest_.sha256 == detector.manifest_.sha256
    again = back.save(tmp_path / "b")
    assert [file.read_bytes() for file in again if file.name == "model.safetensors"] == [content]


def test_the_value_column_that_was_fitted_on_is_looked_for(tmp_path: Path) -> None:
    """Also after a load, and beside columns that cannot be read."""
    warm = {"value": "temperature"}
    detector = Detector().fit(long(OLD).rename(columns=warm))
    detector.save(tmp_path)
    for one in (detector, Detector.load(tmp_path)):
        noted = long(NEW).rename(columns=warm).assign(note="text")
        assert {row["series"] for row in rows(one.detect(noted).incidents)} == set(SPIKES)
        with pytest.raises(DataError, match="column 'temperature': the detector was fitted on it; found 'time'"):
            one.detect(long(NEW))


def test_a_model_of_eddy_train_is_loaded(tmp_path: Path) -> None:
    detector = Detector(**FOREST, alerts={"close_after": 6}, patterns="pump-*", name="pumps", seed=3).fit(OLD)
    artifacts.write(tmp_path, detector.trained_)
    back = Detector.load(tmp_path)
    assert back.detect(NEW).alerts == detector.detect(NEW).alerts
    assert repr(back) == (
        "Detector('isolation-forest', interval='10m', window=12, params={'trees': 20}, alerts={'close_after': 6}, "
        "name='pumps', patterns=['pump-*'], seed=3)"
    )


def test_files_that_cannot_be_used_are_named(fitted: Detector, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"manifest\.json cannot be read"):
        Detector.load(tmp_path)
    fitted.save(tmp_path)
    for content in ("{", '{"params": 3}', "[]"):
        (tmp_path / "detector.json").write_text(content)
        with pytest.raises(ModelError, match=r"detector\.json: not what Detector\.save writes .*save again, or remove"):
            Detector.load(tmp_path)
    (tmp_path / "detector.json").write_text('{"params": {"no_such": 1}, "value_columns": []}')
    with pytest.raises(ModelError, match=r"has no parameter 'no_such'.*was it saved by another version"):
        Detector.load(tmp_path)
    fitted.save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"another")
    with pytest.raises(ModelError, match="sha256"):
        Detector.load(tmp_path)


def test_a_plot_has_band_value_anomalies_and_incidents(fitted: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    found = fitted.detect(NEW)
    axes = found.plot()
    assert [axis.get_title(loc="left") for axis in axes] == ["pump-1", "pump-2"]
    assert axes[0].get_legend_handles_labels()[1] == ["band", "expected", "value", "anomalous", "incident"]
    value = axes[0].lines[1]
    assert np.array_equal(value.get_ydata(), NEW["pump-1"])
    axes[0].figure.canvas.draw()
    assert len(found.plot("pump-2")) == 1
    with pytest.raises(DataError, match="series 'pump-3': not in the frame; there are 2, such as 'pump-1', 'pump-2'"):
        found.plot("pump-3")
    mpl.pyplot.close("all")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SettingsError, match="plot needs matplotlib, which is not installed: pip install"):
        found.plot()


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("eddy.training.notebook.frames", "eddy.training.notebook.frame_columns"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(
        SettingsError, match=r"data frames need narwhals, which is missing: pip install 'eddy-anomaly\[notebook\]'"
    ):
        Detector().fit(OLD)


def test_an_installation_of_the_client_alone_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, frame_detector.__name__, None)
    with pytest.raises(
        ImportError, match=r"eddy\.Detector needs .*frame_detector, which is not installed: pip install"
    ):
        _ = eddy.Detector


def test_a_result_says_what_it_is(fitted: Detector) -> None:
    assert repr(fitted.detect(NEW)).startswith("<Detection by 'notebook': 600 points of 2 series, ")
    assert isinstance(fitted.detect(NEW).alerts[0], Alert)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"kind": "nothing"}, "detector 'nothing' is unknown; known: "),
        ({"interval": "30m"}, "column 'time': series 'pump-1' has a point every 10m, the interval is 30m"),
        ({"interval": 600}, "interval: found 600, expected a text such as '10m', or a timedelta"),
        ({"window": 0}, "window: found 0, expected a whole number of points, at least 1"),
        ({"stride": 1.5}, "stride: found 1.5, expected a whole number"),
        ({"gaps": "fill"}, "gaps: found 'fill', expected one of hold, linear, break"),
        ({"params": {"limits": 1}}, "auto: parameter 'limits' is unknown; did you mean 'limit'"),
        ({"alerts": {"close": 1}}, "alerts.close: unknown; known: "),
        ({"name": "my pumps"}, "field 'name': found 'my pumps', expected letters, digits"),
        ({"threshold": "guess"}, "threshold 'guess' is unknown; known: "),
        ({"threshold_params": {"q": 1}}, "threshold_params: found {'q': 1}, expected none without threshold="),
        ({"threshold": "f-beta"}, "threshold 'f-beta' needs labels"),
    ],
)
def test_parameters_that_cannot_be_used_are_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(EddyError, match=message.replace("{", r"\{").replace("(", r"\(")):
        Detector(**parameters).fit(OLD)


def test_thresholds_by_name() -> None:
    by = {name: Detector(**FOREST, threshold=name).fit(OLD).manifest_ for name in ("max", "contamination", "spot")}
    assert by["spot"].threshold["policy"] == "spot"
    assert by["max"].threshold["default"] > by["contamination"].threshold["default"]
    rare, often = (
        Detector(**FOREST, threshold="tail", threshold_params={"false_rate": rate}).fit(OLD).manifest_
        for rate in (1e-6, 1e-2)
    )
    assert rare.threshold["default"] > often.threshold["default"]


def test_data_that_cannot_be_used_are_named(fitted: Detector) -> None:
    with pytest.raises(DataError, match=r"column 'pump-2': every value is missing \(NaN\)"):
        Detector().fit(OLD.assign(**{"pump-2": np.nan}))
    with pytest.raises(DataError, match=r"column 'value': every value of series 'pump-2' is missing"):
        Detector().fit(long(OLD).assign(value=lambda f: f["value"].where(f["series"] == "pump-1")))
    with pytest.raises(DataError, match=r"left out, found at most 5 values .*: pump-1"):
        Detector().fit(OLD[:5])
    with pytest.raises(DataError, match="series 'pump-1' has a point every 1m, the interval is 10m"):
        fitted.detect(NEW.assign(time=pd.date_range("2025-02-01", periods=len(NEW), freq="1min")))
    with pytest.raises(DataError, match=r"applies to valve-\* \(patterns=\), to none of the 2 series found"):
        Detector(patterns="valve-*").fit(OLD).detect(NEW)
    assert len(fitted.detect(NEW.assign(**{"pump-2": np.nan}))) == len(NEW)  # a sensor that says nothing for a while


def test_nothing_works_before_fit() -> None:
    message = r"Detector\('auto'\) is not fitted: call fit\(frame\) first, or Detector.load\(folder\)"
    detector = Detector()
    for call in (detector.detect, detector.score_samples, detector.predict, detector.save):
        with pytest.raises(ModelError, match=message):
            call("somewhere")
    with pytest.raises(ModelError, match=message):
        detector.publish(settings=Settings())
