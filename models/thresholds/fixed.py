"""One limit that never moves: the largest validation score, a percentile, mean + k deviations, or the best F-beta."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eddy.errors import ModelError, SettingsError
from eddy.models.core.detector import Bools, Floats, Ints
from eddy.models.core.threshold import Threshold

RULES = ("percentile", "max", "mean-std", "f-beta")
_PARAMETERS = {"percentile": {"q"}, "max": set(), "mean-std": {"k"}, "f-beta": {"beta", "labels"}}
_ALWAYS = {"factor", "per_series", "least", "lowest", "highest"}


class FixedThreshold(Threshold):
    """Keep one limit that never moves: for every series, or for each that has enough validation scores.

    Works where the scores of the stream are those of validation.
    **Fails** where they are not: a level that drifts is one lasting alert.

    Parameters: of :meth:`fit`.
    Cost: no state, one look-up a score.

    Args:
        default: limit of series without one of their own.
        per_series: limit by series id.

    References:
        Percentile and contamination as in Liu, Ting, Zhou 2008; F-beta as in Malhotra et al. 2016.

    Examples:
        >>> import numpy as np
        >>> normal = np.random.default_rng(0).exponential(size=2000)
        >>> threshold = FixedThreshold.fit({"pump": normal}, rule="percentile", q=99)
        >>> round(threshold.start, 1)
        4.8
    """

    policy = "fixed"

    def __init__(self, default: float, per_series: Mapping[str, float] | None = None) -> None:
        if not np.isfinite(default):
            raise ModelError(f"threshold.default: found {default}, expected a finite number")
        self.default = float(default)
        self.per_series = {str(name): float(limit) for name, limit in (per_series or {}).items()}
        for name, limit in self.per_series.items():
            if not np.isfinite(limit):
                raise ModelError(f"threshold.per_series: series {name!r}: found {limit}, expected a finite number")
        self._index = {name: i for i, name in enumerate(self.per_series)}
        # index -1 (not seen) reads the last element: the default
        self._limits = np.array([*self.per_series.values(), self.default])

    @classmethod
    def fit(cls, scores: Mapping[str, Floats], **params: Any) -> FixedThreshold:
        """``max``, ``percentile`` (q), ``mean-std`` (k) or ``f-beta`` (labels, beta) of the validation scores.

        Args:
            scores: validation scores per series.
            **params: ``rule`` (default ``percentile``), ``q`` (default 99), ``k`` (default 3), ``labels`` (per series,
                True for the anomalous ones among its scores) with ``beta`` (default 0.5); ``factor`` multiplies the
                result (default 1), ``lowest`` and ``highest`` bound it, ``per_series`` (default False), ``least``
                scores a series needs for a limit of its own (default 100).

        Raises:
            SettingsError: an unknown rule or parameter, or a value out of its range.
            ModelError: no finite score, or no labelled one.
        """
        rule, given = str(params.get("rule", "percentile")), {k: v for k, v in params.items() if k != "rule"}
        _check(rule, given)
        finite = {name: np.isfinite(s) for name, s in scores.items()}
        own = {name: s[finite[name]] for name, s in scores.items()}
        labels = {name: flags[finite[name]] for name, flags in given.get("labels", {}).items()}
        pooled = np.concatenate([*own.values(), np.zeros(0)])
        if not len(pooled):
            raise ModelError("threshold: no finite validation score to choose it from; give more training data")
        marked = np.concatenate([*(labels[name] for name in own if labels), np.zeros(0, bool)]).astype(bool)
        limits = {}
        if given.get("per_series"):
            for name, s in own.items():
                known = labels.get(name, np.zeros(0, bool))
                if len(s) >= int(given.get("least", 100)) and (rule != "f-beta" or known.any()):
                    limits[name] = _limit(rule, s, known, given)
        return cls(_limit(rule, pooled, marked, given), limits)

    @property
    def start(self) -> float:
        return self.default

    def bind(self, series: Sequence[str]) -> Ints:
        return np.array([self._index.get(name, -1) for name in series], np.int64)

    def limits(self, scores: Floats, binding: Ints, state: Floats) -> Floats:
        return self._limits[binding]

    def to_params(self) -> dict[str, Any]:
        return {"policy": self.policy, "default": self.default, "per_series": self.per_series}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> FixedThreshold:
        try:
            return cls(float(params["default"]), dict(params.get("per_series", {})))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"threshold: 'fixed' needs a number 'default': {error!r}") from None


def f_beta_limit(scores: Floats, labels: Bools, beta: float) -> tuple[float, float]:
    """(limit, F-beta) with the best F-beta = (1 + beta²)·P·R / (beta²·P + R), point by point (Malhotra et al. 2016).

    Beta below 1 weighs precision higher, above 1 recall. The limit lies half-way between the lowest score that counts
    as anomalous and the next one below it; of equally good limits the highest is taken.

    Args:
        scores: (n,) finite.
        labels: (n,) True where anomalous.
        beta: > 0.

    Raises:
        ModelError: no score is labelled anomalous.
    """
    if not labels.any():
        raise ModelError(
            f"threshold f-beta: none of {len(scores)} scores lies in a labelled anomaly; check the series names and "
            "times in the labels, or choose another rule"
        )
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], np.cumsum(labels[order])
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))  # equal scores are judged alike
    precision, recall = hits[last] / (last + 1), hits[last] / labels.sum()
    weighted = beta**2 * precision + recall
    f = np.divide((1 + beta**2) * precision * recall, weighted, out=np.zeros(len(last)), where=weighted > 0)
    best = int(np.argmax(f))
    cut = float(ordered[last[best]])
    if last[best] + 1 < len(ordered):
        below = float(ordered[last[best] + 1])
        middle = below + (cut - below) / 2
        return (middle if middle < cut else below), float(f[best])
    return float(np.nextafter(cut, -np.inf)), float(f[best])


def _limit(rule: str, scores: Floats, labels: Bools, params: Mapping[str, Any]) -> float:
    if rule == "max":
        found = float(scores.max())
    elif rule == "percentile":
        found = float(np.percentile(scores, params.get("q", 99.0)))
    elif rule == "mean-std":
        found = float(scores.mean() + params.get("k", 3.0) * scores.std())
    else:
        found = f_beta_limit(scores, labels, float(params.get("beta", 0.5)))[0]
    found *= float(params.get("factor", 1.0))
    return min(max(found, float(params.get("lowest", -math.inf))), float(params.get("highest", math.inf)))


def _check(rule: str, params: Mapping[str, Any]) -> None:
    if rule not in RULES:
        raise SettingsError(f"threshold rule {rule!r} is unknown; expected one of {', '.join(RULES)}")
    known = _PARAMETERS[rule] | _ALWAYS
    for name, value in params.items():
        if name not in known:
            shown = ", ".join(sorted(known - {"labels"}))
            raise SettingsError(f"threshold {rule}: parameter {name!r} is unknown; known: {shown}")
        number = name not in ("labels", "per_series")
        if number and (isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value)):
            raise SettingsError(f"threshold {rule}: parameter {name!r}: found {value!r}, expected a number")
        if name == "q" and not 0 <= value <= 100:
            raise SettingsError(f"threshold {rule}: parameter 'q': found {value}, expected a percentage of 0 to 100")
        if name == "beta" and not 0 < value < math.inf:
            raise SettingsError(f"threshold {rule}: parameter 'beta': found {value}, expected a number above 0")
    if rule == "f-beta" and not params.get("labels"):
        raise SettingsError("threshold f-beta needs labelled data; give it with --labels")
