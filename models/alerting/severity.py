"""Rate how severe an alert is by its score, in three ways that fail where the others do not.

The validation scores of training tell what is rare where data stay as they were: where they change, each score is
beyond them. The limit tells how far a score is from what is usual now: on a series that is restless, that is often far.
A series' own past tells what has not been so high before: a record may be higher by next to nothing. None of them
orders incidents by how many are real; their sum does, for every detector that it was tried on
(docs/decisions/074-severity.md).
"""

from __future__ import annotations

import numpy as np

from eddy.models.core.detector import Floats

#: from where each of them counts, and from where it counts in full
_DECADES = (2.0, 5.0)  # of rarity: one in 100 validation scores, one in 100,000
_TIMES = (1.0, 1.5)  # the distance of the limit from the usual score
_BEYOND = (-1.0, 4.0)  # the highest score of the past, in scales of that past's tail
#: severities by the sum of the three, 0 to 3
_SUM, _SEVERITY = (0.0, 0.6, 1.35, 2.99, 3.0), (5.0, 25.0, 50.0, 74.0, 90.0)
_ONLY_MEDIUM = 49.0


def by_rarity(tail: Floats | float, times: Floats, beyond: Floats) -> Floats:
    """Return (n,) severities from 0 to 100; at most ``medium`` where the series' own past is unknown.

    Args:
        tail: (n,) probability of a score as high among those of training; NaN: unknown.
        times: (n,) distance of the score from the usual one, over that of its limit.
        beyond: (n,) how far the score is above the highest of the series' own past; NaN: unknown.

    Examples:
        >>> import numpy as np
        >>> by_rarity(np.full(3, 1e-6), np.array([1.1, 2.0, 2.0]), np.array([0.2, 5.0, np.nan])).round()
        array([51., 90., 49.])
    """
    agreed = _share(-np.log10(tail), *_DECADES) + _share(times, *_TIMES) + _share(beyond, *_BEYOND)
    found = np.interp(agreed, _SUM, _SEVERITY)
    return np.where(np.isnan(beyond), np.minimum(found, _ONLY_MEDIUM), found)


def _share(found: Floats, first: float, full: float) -> Floats:
    return np.nan_to_num(np.clip((found - first) / (full - first), 0.0, 1.0))
