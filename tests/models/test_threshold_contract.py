"""Check the contract of every threshold that Eddy ships."""

from __future__ import annotations

from eddy.models.catalog import THRESHOLDS
from eddy.models.thresholds.base import AdaptiveThreshold
from eddy.testing.thresholds import AdaptiveThresholdContract, ThresholdContract


class TestFixed(ThresholdContract):
    policy = "fixed"


class TestConformal(AdaptiveThresholdContract):
    policy = "conformal"
    params = {"window": 50, "learn": 50, "alpha": 0.05}


class TestPastDeviation(AdaptiveThresholdContract):
    policy = "past-deviation"
    forgets = False


class TestLikelihood(AdaptiveThresholdContract):
    policy = "likelihood"
    params = {"learn": 50, "short": 4}


class TestRate(ThresholdContract):
    policy = "rate"


class TestReturnLevel(ThresholdContract):
    policy = "return-level"
    params = {"period": 200.0}


class TestReturnLevelOfRelativeScores(ThresholdContract):
    policy = "return-level"
    params = {"period": 200.0, "memory": 100.0}


class TestSpot(AdaptiveThresholdContract):
    policy = "spot"
    params = {"learn": 200, "level": 0.9, "q": 1e-3, "peaks": 32}


class TestDSpot(AdaptiveThresholdContract):
    policy = "dspot"
    params = {"learn": 200, "level": 0.9, "q": 1e-3, "peaks": 32, "depth": 5}


def test_every_shipped_threshold_is_checked() -> None:
    checked = {c.policy: c for c in globals().values() if isinstance(c, type) and hasattr(c, "policy")}
    assert set(checked) == set(THRESHOLDS.shipped)
    for policy, contract in checked.items():
        adaptive = issubclass(THRESHOLDS.get(policy), AdaptiveThreshold)
        assert issubclass(contract, AdaptiveThresholdContract) == adaptive
