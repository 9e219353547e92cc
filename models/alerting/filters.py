"""Filter points by their value: how far it is from what was expected, and on which side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eddy.alert_settings import AlertRules
from eddy.models.core.detector import Bools, Explanation, Floats, Ints


def does_not_count(explanation: Explanation, values: Floats, rules: Sequence[AlertRules], rules_of: Ints) -> Bools:
    """Return which points are not anomalous whatever their score, by minimum deviation and direction.

    The feature with the largest share in the score decides. A missing value or expectation filters nothing.

    Args:
        explanation: of the (n,) points.
        values: (n, F) values at the points.
        rules: all rules; ``rules_of`` (n,) is the index of those that apply to each point.
    """
    at = np.arange(len(values))
    known = np.isfinite(values) & np.isfinite(explanation.expected)
    leading = np.where(known, np.nan_to_num(explanation.attribution), -1.0).argmax(axis=1)
    expected = explanation.expected[at, leading]
    deviation = values[at, leading] - expected
    smallest = np.array([(r.min_deviation, r.min_deviation_relative) for r in rules])[rules_of]
    side = np.array([{"both": 0, "above": 1, "below": -1}[r.direction] for r in rules])[rules_of]
    with np.errstate(invalid="ignore"):  # missing values compare as False, so those points are not filtered out
        small = (np.abs(deviation) < smallest[:, 0]) | (np.abs(deviation) < smallest[:, 1] * np.abs(expected))
        wrong = deviation * side < 0
    return np.asarray(small | wrong)
