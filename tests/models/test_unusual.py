"""Check that an alert says why: the value out of its band, or in words what is unusual."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eddy.alert import Alert
from eddy.flink_job.wire.frames import ALERTS
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Floats, Series, WindowBatch, WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.testing.sinks import make_alert
from tests.flink_job.shard_harness import Harness, of
from tests.models.small_models import manifest, model_set

MINUTE = 60_000
WINDOW = 48
STEADY = np.random.default_rng(1).normal(50, 1, WINDOW)
STILL = np.where(np.arange(WINDOW) < 8, STEADY, STEADY[8])
WILD = np.where(np.arange(WINDOW) < 8, STEADY, 50 + 4 * (-1.0) ** np.arange(WINDOW))


@pytest.mark.parametrize(("values", "said"), [(STILL, "less"), (WILD, "more")])
def test_forest_names_what_its_window_is_unusual_in(values: Floats, said: str) -> None:
    ts = np.arange(4000) * MINUTE
    train = Series("s", ts, np.random.default_rng(0).normal(50, 1, (4000, 1)), np.zeros(4000, bool))
    spec = WindowSpec(WINDOW, interval_ms=MINUTE)
    detector, _ = DETECTORS.get("isolation-forest").fit([train], spec, {"features": "window"})
    filled, end = np.zeros((1, WINDOW), bool), np.array([ts[-1] + MINUTE])
    batch = WindowBatch(values[None, :, None], filled, end, detector.bind(["s"]), detector.initial_state(1))
    (words,) = detector.unusual(batch)
    assert words == f"it varies {said} than usual"


class Speaks(RollingZScore):
    """A detector that calls values near 1 unusual though they are in their band."""

    def unusual(self, batch: WindowBatch) -> list[str]:
        return [f"new\n{value:g}" for value in batch.values[:, -1, 0]]

    def explain(self, batch, limit):
        found = super().explain(batch, limit)
        found.upper[batch.values[:, -1] < 2] = np.inf
        return found


def test_alert_has_words_where_its_values_are_in_their_band_and_else_none() -> None:
    models = model_set(manifest("z"))
    models.models["z"].detector.__class__ = Speaks
    shard = Harness(models)
    calm = [0.0, 0.001, -0.001, 0.002, 0.0, 0.001]
    (inside,) = of(shard.data(*calm, 1.0), ALERTS)
    assert inside["unusual"] == "new\\n1"
    outside = of(shard.data(*calm * 10, 50.0, start=7), ALERTS)[-1]
    assert (outside["values"], outside["unusual"]) == ({"value": 50.0}, "")


def band(**fields: Any) -> Alert:
    given: dict[str, Any] = {
        "values": {"a": 1.0, "b": 2.0},
        "lower": {"a": 0.0, "b": 0.0},
        "upper": {"a": 0.5, "b": 1.0},
    }
    return make_alert(**(given | {"attribution": {"a": 0.2, "b": 0.8}} | fields))


def test_reason_shows_enough_digits_to_see_that_the_value_is_out_of_its_band() -> None:
    close = band(values={"a": 10.0, "b": 14228.96}, lower={}, upper={"a": 20.0, "b": 14228.91})
    assert close.reason == "b 14,228.96, expected at most 14,228.91"


def test_values_of_an_earlier_point_have_its_time_where_points_are_clocked() -> None:
    window = {"end": 10 * MINUTE, "interval_ms": MINUTE}
    assert band(points_ago=3, window=window).values_at == 7 * MINUTE
    assert band(points_ago=3, window={**window, "interval_ms": None}).values_at is None
    assert band(window={**window, "interval_ms": None}).values_at == 10 * MINUTE
    assert band(points_ago=1).reason == "b 2 (1 point ago), expected 0 to 1"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "b 2, expected 0 to 1"),
        ({"attribution": {"a": 0.8, "b": 0.2}}, "a 1, expected 0 to 0.5"),
        ({"upper": {"a": 0.5, "b": 9.0}}, "a 1, expected 0 to 0.5"),
        ({"lower": {}, "upper": {"b": 1.25}}, "b 2, expected at most 1.25"),
        ({"values": {"b": 20909.4}, "lower": {"b": 21862.2}, "upper": {}}, "b 20,909, expected at least 21,862"),
        ({"upper": {"a": 9.0, "b": 9.0}}, ""),
        ({"upper": {"a": 9.0, "b": 9.0}, "unusual": "it varies less than usual"}, "it varies less than usual"),
        ({"values": {"a": None, "b": None}}, ""),
        ({"values": {}}, ""),
    ],
)  # fmt: skip
def test_reason_is_the_value_out_of_its_band_that_contributed_most_or_words(fields, reason) -> None:
    assert band(**fields).reason == reason
