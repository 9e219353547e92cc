"""Restore keyed state that an earlier version of the code wrote: what follows gives the alerts that it gave there.

``data/README.md`` says what the file holds, and has the program that made it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eddy.alert import Alert
from eddy.alert_settings import AlertSettings
from eddy.models.alerting.grouping import IncidentGrouper
from eddy.models.artifacts.manifest import Manifest
from eddy.models.drift.monitor import DriftOptions
from eddy.models.engine.cold_start import cold_model
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.options import ColdStart
from eddy.models.serving.model_set import COLD, ModelSet
from tests.models.small_models import Event, Job, inline

FILE = Path(__file__).parent / "data" / "aca2780.zip"
STEP = 600_000
OPTIONS = EngineOptions(
    out_of_orderness_ms=3 * STEP,
    alerts=AlertSettings(group_series=2, group_window_ms=6 * STEP),
    drift=DriftOptions(),
    cold=ColdStart(),
)


def models(content: dict[str, bytes]) -> ModelSet:
    found = ModelSet()
    found.start_cold(cold_model("novelty", 100))
    for name, value in content.items():
        if name.startswith("models/"):
            assert found.put(Manifest.from_json(value), inline)
    return found


def alerts_of(job: Job, groups: IncidentGrouper, events: Sequence[Event], batch: int = 100) -> list[Alert]:
    alerts: list[Alert] = []
    for at in range(0, len(events), batch):
        result = job.send(events[at : at + batch])
        alerts += [*result.alerts, *result.shadow, *groups.take(result.alerts, 0)]
    return alerts


def stream(content: dict[str, bytes], name: str) -> list[Event]:
    return [(series, ts, {"value": x, "load": y}) for series, ts, x, y in json.loads(content[name])]


def parts(content: dict[str, bytes], folder: str) -> dict[str, bytes]:
    return {name.removeprefix(folder): value for name, value in content.items() if name.startswith(folder)}


@pytest.fixture(scope="module")
def content() -> dict[str, bytes]:
    with zipfile.ZipFile(FILE) as file:
        return {name: file.read(name) for name in file.namelist()}


def same(found: Any, expected: Any) -> None:
    """Compare nested values, numbers to the rounding of another machine."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            same(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9, nan_ok=True)
    else:
        assert found == expected


OF_A_GROUP = ("id", "state", "kind", "series", "start", "end", "members", "member_count", "suppressed", "unusual")


def without_severity(alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what that version rated otherwise: severities, messages about them, and the point that is shown."""
    kept = [one for one in alerts if one["state"] != "update"]
    for one in kept:
        for rated in ("severity", "severity_word", "values", "expected", "lower", "upper"):
            del one[rated]
        one["members"] = sorted(member["id"] for member in one["members"])
        if one["kind"] == "group":  # the rest is the evidence of its most severe member
            for name in {*one} - {*OF_A_GROUP}:
                one[name] = None
    return kept


def test_savepoint_of_an_earlier_version_goes_on_with_the_same_alerts(content: dict[str, bytes]) -> None:
    job, groups = Job(models(content), OPTIONS, parts(content, "state/")), IncidentGrouper(OPTIONS.alerts)
    assert job.engine.clock.waiting, "events are held"
    assert any(scorer.incidents.open for scorer in job.engine.scorers.values())
    groups.restore(parts(content, "groups/"))
    alerts = alerts_of(job, groups, stream(content, "after.json"))
    expected = without_severity(json.loads(content["alerts.json"]))
    found = without_severity(json.loads(json.dumps([asdict(alert) for alert in alerts])))
    assert [(one["id"], one["state"]) for one in found] == [(one["id"], one["state"]) for one in expected]
    assert {one["model"]["name"] for one in expected if one["model"]} >= {
        "naive",
        "dmd",
        "ensemble",
        "consistency",
        "cold-start",
    }
    for one in found:
        assert not one["increases"]
        assert one["interval"] is None
        for name in ("unusual", "points_ago", "return_period_s", "increases", "interval"):  # came later
            del one[name]
        if one["kind"] == "incident":  # earlier versions did not tell the id of its group
            assert one["group"] == OPTIONS.alerts.group_of(one["start"])
            one["group"] = None
    for one in (*found, *expected):
        if one["model"] and one["model"].get("name") == COLD:
            del one["model"]["sha256"]  # of a built-in model: its bytes change with the code
            del one["settings_digest"]  # its limit had no promised rate beside it
    same(found, expected)


def test_savepoint_is_what_the_same_stream_leads_to_now(content: dict[str, bytes]) -> None:
    """The arrays mean the same, so what is written now can be read by that version as well."""
    job, groups = Job(models(content), OPTIONS), IncidentGrouper(OPTIONS.alerts)
    alerts_of(job, groups, stream(content, "before.json"))
    restored = Job(models(content), OPTIONS, parts(content, "state/"))
    for name, scorer in restored.engine.scorers.items():
        live = job.engine.scorers[name]
        assert scorer.series_of == live.series_of
        rows = sorted(live.series_of)
        np.testing.assert_allclose(scorer.state[rows], live.state[rows], rtol=1e-6, atol=1e-9)
        if name == COLD:  # its limit had no state then; it begins anew
            assert not scorer.threshold_state[rows].any()
            continue
        np.testing.assert_allclose(scorer.threshold_state[rows], live.threshold_state[rows], rtol=1e-6, atol=1e-9)
