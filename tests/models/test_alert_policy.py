"""Check alert rules: invalid ones are refused, layers apply by series, the digest identifies them."""

from __future__ import annotations

import json

import pytest

from eddy.alert_settings import AlertRules, AlertSettings, ModelAlerts
from eddy.configuration import load
from eddy.errors import ModelError, SettingsError
from eddy.flink_job.graph.settings_arguments import without_secrets
from eddy.models.alerting.rules import AlertRuleResolver, read_model_alerts
from tests.models.small_models import manifest


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"open_points": 0}, "alerts.open_points: found 0"),
        ({"open_points": 3, "of_points": 2}, "alerts: found .*open_points is 3, of_points 2"),
        ({"of_points": 33}, "alerts.of_points: found 33"),
        ({"of_points": 2.5}, "alerts.of_points: found 2.5"),
        ({"open_points": True}, "alerts.open_points: found True"),
        ({"close_after": 0}, "alerts.close_after: found 0"),
        ({"close_after": float("inf")}, "alerts.close_after: found inf"),
        ({"close_after_ms": -1}, "alerts.close_after_ms: found -1"),
        ({"close_ratio": 0}, "alerts.close_ratio: found 0"),
        ({"close_ratio": 1.1}, "alerts.close_ratio: found 1.1"),
        ({"close_ratio": float("nan")}, "alerts.close_ratio: found nan"),
        ({"close_ratio": "half"}, "alerts.close_ratio: found half"),
        ({"of_points": "3"}, "alerts.of_points: found 3"),
        ({"of_points": None}, "alerts.of_points: found None"),
        ({"min_deviation": float("inf")}, "alerts.min_deviation: found inf"),
        ({"direction": "up"}, "alerts.direction: found up; Input should be 'both', 'above' or 'below'"),
        ({"cool_down": 3}, "alerts.cool_down: unknown; known: close_after"),
        ({"overrides": [{"series": "a", "close_after": 0}]}, "alerts.overrides.0.close_after: found 0"),
        ({"overrides": [{"close_after": 1}]}, "alerts.overrides.0.series: .*Field required"),
        ({"overrides": [{"series": ["!a"]}]}, "alerts.overrides.0.series: .*at least one pattern without '!'"),
    ],
)
def test_invalid_rules_are_refused_and_named(params, said):
    with pytest.raises(ModelError, match=said):
        read_model_alerts(params)


def test_open_points_alone_requires_consecutive_points():
    assert read_model_alerts({"open_points": 3}).of_points == 3


def rules(settings, alerts, series):
    book = AlertRuleResolver(AlertSettings.model_validate(settings), ModelAlerts.model_validate(alerts), manifest())
    return book.rules[book.bind([series])[0]]


def test_more_specific_layer_wins_and_first_matching_override_applies():
    settings = {
        "close_after": 2,
        "cool_down_ms": 5,
        "overrides": [
            {"series": ["a*", "!ab"], "close_ratio": 0.5},
            {"series": "*b", "close_ratio": 0.6, "max_updates": 0},
        ],
    }
    alerts = {
        "close_after": 3,
        "direction": "above",
        "overrides": [{"series": "a*", "direction": "below"}, {"series": "*", "max_updates": 7}],
    }
    assert rules({}, {}, "a") == AlertRules()
    assert rules(settings, {}, "c") == AlertRules(close_after=2, cool_down_ms=5)
    assert rules(settings, alerts, "c") == AlertRules(
        close_after=3, cool_down_ms=5, direction="above", max_updates=7
    ), "the manifest before the settings"
    assert rules(settings, alerts, "aa") == AlertRules(
        close_after=3, cool_down_ms=5, direction="below", close_ratio=0.5
    )
    assert rules(settings, alerts, "ab") == AlertRules(
        close_after=3, cool_down_ms=5, direction="below", close_ratio=0.6, max_updates=0
    ), "the settings' override before the manifest's"


def test_of_points_is_at_least_open_points_across_layers():
    assert rules({"open_points": 2, "of_points": 4}, {}, "a").of_points == 4
    layered = rules({"of_points": 2}, {"overrides": [{"series": "*", "open_points": 3}]}, "a")
    assert (layered.open_points, layered.of_points) == (3, 3)


def test_digest_changes_only_with_what_affects_alerts():
    def digest(settings=None, job=None, series="a", **fields):
        one = manifest(**fields)
        book = AlertRuleResolver(AlertSettings.model_validate(settings or {}), read_model_alerts(one.alerts), one, job)
        return book.digests[book.bind([series])[0]]

    same = digest()
    assert same == digest(version=2, created="2027-01-01T00:00:00+00:00", metrics={"f1": 1.0}, name="y")
    assert same == digest({"close_after": 2}), "it was 2 before, by the manifest"
    others = [
        digest({"max_updates": 1}),
        digest(limit=9.0),
        digest(job={"out_of_orderness_ms": 1}),
        digest({"overrides": [{"series": "a", "close_after": 9}]}),
        digest(calibration={"quantiles": [0] * 8, "mean_excess": 1}),
    ]
    assert len({same, *others}) == 6
    assert digest({"overrides": [{"series": "b", "close_after": 9}]}) == same


def test_overrides_survive_settings_as_json(tmp_path):
    text = '[{"series": ["taxi-*", "!taxi-0"], "close_after": 24}]'
    found = load([f"alerts.overrides={text}", "alerts.direction=above"], environ={})
    assert found.settings.alerts.overrides[0].fits("taxi-1")
    assert not found.settings.alerts.overrides[0].fits("taxi-0")
    (shown,) = [value for key, value, _ in found.rows() if key == "alerts.overrides"]
    assert json.loads(shown) == json.loads(text)
    again = load(without_secrets(found.settings), environ={})
    assert again.settings == found.settings
    file = tmp_path / "eddy.yaml"
    file.write_text("alerts:\n  overrides:\n    - {series: 'pump-*', close_afer: 3}\n")
    with pytest.raises(SettingsError, match=r"alerts.overrides.0.close_afer from .*eddy.yaml: found 3"):
        load([], file, environ={})
    with pytest.raises(SettingsError, match=r"alerts.calendars from command line: .*expected a JSON list"):
        load(["alerts.calendars=plant.ics"], environ={})
