"""A detector for data frames finds what the job finds: the same points and incidents, in every library and form."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from eddy import Detector
from eddy.configuration import load
from eddy.errors import DataError
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.options import alerting_options
from eddy.models.engine.replay import replay
from eddy.models.serving.loaded_model import load_model
from eddy.models.serving.model_set import ModelSet
from eddy.settings import Settings
from eddy.training.evaluation.predictions import write_predictions
from eddy.training.notebook.frames import read_frame
from tests.training.pumps import FOREST, LIBRARIES, NEW, OLD, SPIKES, TRAINED, WIDE, long, rows, when, wide


@pytest.fixture(scope="module")
def fitted() -> Detector:
    return Detector(interval="10m").fit(OLD)


def test_the_spikes_are_the_incidents(fitted: Detector) -> None:
    found = rows(fitted.detect(NEW).incidents)
    assert [(one["series"], one["start"]) for one in found] == [(name, when(at)) for name, at in SPIKES.items()]
    assert {one["severity_word"] for one in found} == {"critical"}
    assert {one["suppressed"] for one in found} == {""}


def test_points_name_the_incident_that_they_lie_in() -> None:
    found = Detector(**FOREST).fit(OLD).detect(NEW)
    points, incidents = found.points, {one["id"]: one for one in rows(found.incidents)}
    inside = points[points["incident"] != ""]
    assert set(inside["incident"]) == set(incidents)
    for number, own in inside.groupby("incident"):
        one, expected = incidents[number], points[points["series"] == incidents[number]["series"]]
        between = expected["time"].between(*(pd.to_datetime(one[end], unit="ms", utc=True) for end in ("start", "end")))
        assert own.index.tolist() == expected.index[between].tolist()
        assert own["anomaly"].iloc[[0, -1]].all()
        assert own["anomaly"].sum() == one["points"]
    assert not points["anomaly"][points["incident"] == ""].any()


@pytest.mark.parametrize("kind", [{}, FOREST], ids=["auto", "isolation-forest"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_and_form_gives_the_same(library: str, kind: dict[str, Any]) -> None:
    expected = Detector(**kind).fit(OLD).detect(NEW)
    for form in (lambda frame: frame, long):
        detector = Detector(**kind).fit(LIBRARIES[library](form(OLD)))
        found = detector.detect(LIBRARIES[library](form(NEW)))
        kinds = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.Table}
        assert isinstance(found.points, kinds[library.split("-", maxsplit=1)[0]])
        assert rows(found.points) == rows(expected.points)
        assert rows(found.incidents) == rows(expected.incidents)
        assert found.alerts == tuple(expected.alerts)


@pytest.mark.parametrize("kind", [{}, FOREST, {"kind": "zscore", "window": 30}], ids=["auto", "forest", "zscore"])
def test_alerts_are_those_of_the_engine_on_the_same_observations(kind: dict[str, Any]) -> None:
    detector = Detector(**kind).fit(OLD)
    models = ModelSet()
    models.put(detector.manifest_, lambda _: detector.trained_.content)
    n = len(NEW)
    alerts = replay(
        models,
        EngineOptions(hold_timeout_ms=5000),
        ["pump-1", "pump-2"],
        np.tile([0, 1], n),
        np.repeat([when(TRAINED + i) for i in range(n)], 2),
        NEW[["pump-1", "pump-2"]].to_numpy().reshape(-1, 1),
        batch=7,
    )
    assert any(alert.state == "open" for alert in alerts)
    assert list(detector.detect(NEW).alerts) == alerts


@pytest.mark.parametrize("kind", [{}, FOREST], ids=["auto", "forest"])
def test_points_are_those_of_eddy_predict(kind: dict[str, Any], tmp_path: Path) -> None:
    """Scores, limits, bands and verdicts, made window by window there and in batches here."""
    detector = Detector(**kind).fit(OLD)
    model = load_model(detector.manifest_, detector.trained_.content)
    write_predictions(model, read_frame(NEW).dataset(), tmp_path / "predictions.csv", alerting_options(Settings()))
    with (tmp_path / "predictions.csv").open() as file:
        expected = {(row["series"], int(row["ts"])): row for row in csv.DictReader(file)}
    points = rows(detector.detect(NEW).points)
    scored = [one for one in points if one["score"] is not None]
    assert len(scored) == len(expected)
    assert len(points) - len(scored) == 2 * (detector.manifest_.window - 1)
    for one in scored:
        row = expected[one["series"], one["time"]]
        for name in ("value", "expected", "lower", "upper", "score", "threshold"):
            assert row[name] == ("" if one[name] is None else f"{one[name]:.9g}"), (name, one)
        assert int(row["anomaly"]) == one["anomaly"]


def test_points_without_a_score_say_so() -> None:
    points = rows(Detector(**FOREST).fit(OLD).detect(NEW[:15]).points)
    assert [one["time"] for one in points[::2]] == [when(TRAINED + i) for i in range(15)]
    assert [one["series"] for one in points[:4]] == ["pump-1", "pump-2"] * 2
    assert all(one["score"] is None and not one["anomaly"] for one in points[:22])
    assert all(one["score"] is not None for one in points[22:])


def test_several_features_per_point() -> None:
    frame = long(WIDE).assign(flow=lambda f: f["value"] * 0.5 + np.random.default_rng(5).normal(0, 0.1, len(f)))
    old, new = frame[: 2 * TRAINED], frame[2 * TRAINED :]
    detector = Detector().fit(old)
    assert detector.manifest_.features == ("value", "flow")
    found = detector.detect(new[["flow", "series", "time", "value"]].assign(note="not fitted to"))
    points = rows(found.points)
    assert [one["feature"] for one in points[:4]] == ["value", "flow"] * 2
    assert [one["value"] for one in points[:2]] == [new["value"].iloc[0], new["flow"].iloc[0]]
    assert len(points) == 2 * len(found)
    assert {one["series"] for one in rows(found.incidents)} == set(SPIKES)
    assert len(found.plot("pump-1")) == 2
    with pytest.raises(
        DataError, match="column 'flow': the detector was fitted on it; found 'time', 'series', 'value'"
    ):
        detector.detect(new[["time", "series", "value"]])
    with pytest.raises(DataError, match=r"found value \(wide form.*the detector was fitted on value, flow"):
        detector.detect(NEW)


def test_incidents_of_many_series_are_grouped_as_settings_say() -> None:
    frame = wide(1000, {f"pump-{k}": 900 for k in range(1, 7)}, names=6)
    detector = Detector(alerts={"close_after": 5}).fit(frame[:TRAINED])
    found = detector.detect(frame[TRAINED:])
    groups = [alert for alert in found.alerts if alert.kind == "group"]
    assert [alert.member_count for alert in groups if alert.state == "open"] == [5]
    assert len(rows(found.incidents)) == 6
    alone = load(["alerts.group_series=0"], environ={}).settings
    assert not [alert for alert in detector.detect(frame[TRAINED:], alone).alerts if alert.kind == "group"]
    assert detector.manifest_.alerts == {"close_after": 5}


def test_maintenance_calls_nobody(fitted: Detector, tmp_path: Path) -> None:
    calendar = tmp_path / "work.ics"
    calendar.write_text(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:1\nDTSTAMP:20250101T000000Z\n"
        "DTSTART:20250101T000000Z\nDTEND:20250201T000000Z\nSUMMARY:work\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    calendars = json.dumps([{"file": str(calendar), "name": "work", "series": ["pump-1"]}])
    settings = load([f"alerts.calendars={calendars}"], environ={}).settings
    found = {one["series"]: one["suppressed"] for one in rows(fitted.detect(NEW, settings).incidents)}
    assert found == {"pump-1": "maintenance: work", "pump-2": ""}


def test_settings_are_read_as_the_commands_read_them(fitted: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(rows(fitted.detect(NEW).incidents)) == 2
    monkeypatch.setenv("EDDY_ALERTS_OPEN_POINTS", "3")
    monkeypatch.setenv("EDDY_ALERTS_OF_POINTS", "3")
    assert len(rows(fitted.detect(NEW).incidents)) == 0


def test_nothing_is_kept_between_calls_and_gaps_are_no_trouble(fitted: Detector) -> None:
    once, again = fitted.detect(NEW), fitted.detect(NEW)
    assert (once.alerts, rows(once.points)) == (again.alerts, rows(again.points))
    holes = NEW.drop(index=NEW.index[20:60])
    assert len(fitted.detect(holes)) == 2 * len(holes)
    alone = fitted.detect(NEW[["time", "pump-2"]])
    assert [alert for alert in once.alerts if alert.series == "pump-2"] == list(alone.alerts)
    other = fitted.detect(NEW.rename(columns={"pump-2": "pump-9"}))  # a series that was not fitted to
    fresh = [one for one in rows(other.points) if one["series"] == "pump-9"]
    assert [one["expected"] is None for one in fresh] == [i < 1 for i in range(len(NEW))]
    assert {one["anomaly"] for one in fresh[:40]} == {False}, "it knows nothing of the series yet"
