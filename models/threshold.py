"""Thresholds: how high a score has to be. They know scores only, neither detectors nor alerts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from eddy.errors import ModelError
from models.detector import Floats, Ints


class Threshold(ABC):
    """Base class. Subclasses register themselves under :attr:`policy`."""

    policy: ClassVar[str]
    policies: ClassVar[dict[str, type[Threshold]]] = {}
    state_size: int = 0  # float64 numbers per series in keyed state

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "policy" in cls.__dict__:
            Threshold.policies[cls.policy] = cls

    @classmethod
    @abstractmethod
    def fit(cls, scores: Mapping[str, Floats], **params: Any) -> Threshold:
        """Choose the threshold from each series' validation scores."""

    def bind(self, series: Sequence[str]) -> Ints:
        """(n,) index per series, -1 for one not seen in fitting; as :meth:`models.detector.Detector.bind`."""
        return np.full(len(series), -1, np.int64)

    def initial_state(self, n: int) -> Floats:
        """(n, state_size) state of new series."""
        return np.zeros((n, self.state_size))

    @abstractmethod
    def limits(self, scores: Floats, binding: Ints, state: Floats) -> Floats:
        """(n,) limit for each score; a score **above** its limit is anomalous.

        ``state`` (n, state_size) is updated in place with these scores *after* their limits are set; with state,
        each series occurs at most once in a call. NaN scores change nothing.
        """

    @abstractmethod
    def to_params(self) -> dict[str, Any]:
        """JSON-able parameters, ``policy`` among them; goes into the manifest."""

    @classmethod
    @abstractmethod
    def from_params(cls, params: Mapping[str, Any]) -> Threshold:
        """The inverse of :meth:`to_params`. Raises ModelError naming the parameter."""


class FixedThreshold(Threshold):
    """The same limit for every series, or one per series where enough validation scores were seen.

    Args:
        default: limit of series without one of their own.
        per_series: limit by series id.
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
        """``max``, ``percentile`` (q) or ``mean-std`` (k) of the validation scores.

        Args:
            scores: validation scores per series.
            **params: ``rule`` (default ``percentile``), ``q`` (default 99), ``k`` (default 3), ``factor`` multiplies
                the result (default 1), ``per_series`` (default False), ``least`` scores a series needs for a limit
                of its own (default 100).
        """
        rule, factor = params.get("rule", "percentile"), float(params.get("factor", 1.0))

        def limit(s: Floats) -> float:
            if rule == "max":
                return factor * float(s.max())
            if rule == "percentile":
                return factor * float(np.percentile(s, params.get("q", 99.0)))
            if rule == "mean-std":
                return factor * float(s.mean() + params.get("k", 3.0) * s.std())
            raise ModelError(f"threshold rule {rule!r} is unknown; expected max, percentile or mean-std")

        finite = {name: s[np.isfinite(s)] for name, s in scores.items()}
        pooled = np.concatenate([*finite.values(), np.zeros(0)])
        if not len(pooled):
            raise ModelError("threshold: no finite validation score to choose it from; give more training data")
        least = int(params.get("least", 100))
        own = {n: limit(s) for n, s in finite.items() if len(s) >= least} if params.get("per_series") else {}
        return cls(limit(pooled), own)

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


def threshold_from_params(params: Mapping[str, Any]) -> Threshold:
    """Rebuild any threshold from a manifest's parameters."""
    policy = str(params.get("policy"))
    if policy not in Threshold.policies:
        raise ModelError(f"threshold policy {policy!r} is unknown; known: {', '.join(sorted(Threshold.policies))}")
    return Threshold.policies[policy].from_params(params)
