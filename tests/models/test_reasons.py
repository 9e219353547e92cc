"""Check that alerts of every detector say why, and show the point that made the window anomalous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from eddy.alert import Alert
from eddy.models.core.detector import UNLIKE_TRAINING, Floats, Series
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.loaded_model import load_model
from eddy.models.serving.model_set import ModelSet
from eddy.testing.toy_series import INTERVAL, SPEC, START, seasonal, spec_of, widened
from eddy.training.fitting.fit import ThresholdRule, fit_model

#: kind -> parameters with which it is fitted in a moment, and the points of a window
DETECTORS: Mapping[str, tuple[Mapping[str, Any], int]] = {
    "zscore": ({}, 48),
    "novelty": ({}, 1),
    "consistency": ({}, 1),
    "seasonal-naive": ({"period": 48}, 1),
    "same-phase-neighbours": ({"period": 48}, 1),
    "left-discord": ({"period": 48, "past": 600}, 1),
    "ensemble": ({}, 1),
    "dmd": ({"rank": 6}, 49),
    "isolation-forest": ({"trees": 30}, 24),
    "lstm-autoencoder": ({"hidden": 8, "epochs": 3}, 24),
    "lstm-repeat-vector": ({"units": "8", "epochs": 3}, 24),
    "lstm-encdec": ({"hidden": 8, "epochs": 3}, 24),
    "sklearn": ({"estimator": "IsolationForest"}, 24),
    "river": ({}, 4),
}
#: those that compare windows point by point: they know at which point one is farthest from what it should be
BY_POINT = ("same-phase-neighbours", "left-discord", "lstm-autoencoder", "lstm-repeat-vector", "lstm-encdec")
DAYS = 50
SPIKES = np.arange(500, DAYS * 48, 150)
GENERIC = {UNLIKE_TRAINING.format(points=points) for points in range(200)}


def in_columns(models: ModelSet, features: Sequence[str], values: Floats) -> Floats:
    """Place (n, F) values in the columns in which they travel."""
    placed = np.full((len(values), len(models.columns)), np.nan)
    placed[:, [models.columns[one] for one in features]] = values
    return placed


@cache
def alerts_of(kind: str, features: int = 1) -> tuple[Alert, ...]:
    """Every incident's last message over weeks with spikes, dips, standstills and shifts in time."""
    params, window = DETECTORS[kind]
    spec = replace(spec_of(features), window=window)
    train = seasonal("a", 1, 42)
    live = seasonal("a", 9, DAYS, START + 42 * 86_400_000)
    rng = np.random.default_rng(4)
    for k, at in enumerate(SPIKES):
        own = live.values[at : at + 8, 0]
        if k % 4 == 0:
            own[0] += 40 + rng.uniform(0, 9)
        elif k % 4 == 1:
            own[0] -= 40 + rng.uniform(0, 9)
        elif k % 4 == 2:
            own[:] = own[0]
        else:
            own += 25 * (-1.0) ** np.arange(8)
    if features > 1:
        train = replace(train, values=widened(train.values, features))
        live = replace(live, values=widened(live.values, features))
    rule = ThresholdRule("rate", params={"interval_seconds": INTERVAL / 1000, "alarms_per_week": 2.0})
    own_limit = kind in ("novelty", "consistency")
    trained = fit_model(kind, kind, [train], spec, params=params, rule=None if own_limit else rule)
    models = ModelSet()
    models.adopt(load_model(trained.publishable(), trained.content))
    last: dict[str, Alert] = {}
    values = in_columns(models, spec.features, live.values)
    for one in replay(models, EngineOptions(), ["a"], np.zeros(len(live.ts), np.int64), live.ts, values):
        if one.kind == "incident":
            last[one.id] = one
    return tuple(last.values())


@pytest.mark.parametrize("kind", DETECTORS)
@pytest.mark.parametrize("features", [1, 3])
def test_alerts_show_a_value_out_of_its_band_or_say_more_than_that_it_is_unlike_training(kind, features):
    found = alerts_of(kind, features)
    assert len(found) >= 3
    told = [bool(one.reason) and one.unusual not in GENERIC for one in found]
    assert np.mean(told) >= 0.95, [one.reason for one in found]


@pytest.mark.parametrize("kind", BY_POINT)
def test_the_point_shown_is_the_spike_also_when_it_is_not_the_newest(kind):
    """Incidents that a spike of 40 opened show a value out of its band, often the spike, which is beyond all others."""
    spikes = {START + 42 * 86_400_000 + int(at) * INTERVAL for k, at in enumerate(SPIKES) if k % 4 < 2}
    near = [one for one in alerts_of(kind) if any(0 <= one.start - at <= 8 * INTERVAL for at in spikes)]
    assert near
    shown = [abs(value - 100) for one in near if not one.unusual and (value := one.values["value"]) is not None]
    assert len(shown) >= 0.95 * len(near)
    assert np.mean(np.array(shown) > 25) > 0.3  # a segment may be compared with one that holds an earlier spike
    assert any(one.points_ago > 0 for one in alerts_of(kind))


@pytest.mark.parametrize("kind", BY_POINT)
def test_points_ago_names_the_value_in_the_window(kind):
    for one in alerts_of(kind):
        if one.window is not None and one.points_ago < len(one.window["values"]["value"]):
            assert one.window["values"]["value"][-1 - one.points_ago] == pytest.approx(one.values["value"], rel=1e-5)


def test_words_name_the_feature_that_is_unusual():
    spec = replace(SPEC, features=("load", "heat"))
    ts = START + np.arange(3000) * INTERVAL
    rng = np.random.default_rng(2)
    values = rng.normal(50, 1, (3000, 2))
    train = Series("a", ts, values, np.zeros(3000, bool))
    rule = ThresholdRule("percentile", params={"q": 99.5})
    trained = fit_model("f", "isolation-forest", [train], replace(spec, window=24), params={"trees": 50}, rule=rule)
    live = rng.normal(50, 1, (400, 2))
    models = ModelSet()
    models.adopt(load_model(trained.publishable(), trained.content))
    live[300:330, 1] = live[300, 1]
    later = ts[-1] + (1 + np.arange(400)) * INTERVAL
    alerts = replay(
        models, EngineOptions(), ["a"], np.zeros(400, np.int64), later, in_columns(models, spec.features, live)
    )
    told = {one.unusual for one in alerts if one.unusual and later[300] <= one.start <= later[335]}
    assert told
    assert all(text.startswith("heat ") for text in told), told
