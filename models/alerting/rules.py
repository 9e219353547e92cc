"""Resolve the alert rules of each series from the settings, the model's manifest, and overrides by pattern."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from eddy.alert_settings import AlertRules, AlertSettings, ModelAlerts
from eddy.errors import ModelError
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import Ints

#: the fields of a manifest that decide, beside the artifact, whether a point is anomalous
_IDENTITY = ("detector", "features", "window", "stride", "interval_ms", "threshold", "calibration")


def read_model_alerts(params: Mapping[str, Any]) -> ModelAlerts:
    """Read the ``alerts`` of a manifest.

    Raises:
        ModelError: an unknown name, or a value that cannot be used; names the key and what was found.
    """
    try:
        _check_numbers("alerts", params)
        return ModelAlerts.model_validate(dict(params))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(["alerts", *(str(part) for part in first["loc"])])
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(ModelAlerts.model_fields))
            message = f"{key}: unknown; known: {known}"
        else:
            message = f"{key}: found {str(first['input'])[:80]}; {first['msg']}"
        raise ModelError(message) from None


def _check_numbers(where: str, params: Mapping[str, Any]) -> None:
    """Refuse text and booleans as numbers: JSON has real numbers, though settings from the environment are text."""
    for name in sorted(AlertRules.model_fields.keys() - {"direction"}):
        if isinstance(params.get(name), str | bool):
            raise ModelError(f"{where}.{name}: found {params[name]}, expected a number")
    overrides = params.get("overrides")
    for i, override in enumerate(overrides if isinstance(overrides, list) else ()):
        if isinstance(override, Mapping):
            _check_numbers(f"{where}.overrides.{i}", override)


class AlertRuleResolver:
    """Resolve the rules of every series that one model scores.

    Later sources win: defaults, ``alerts.*`` of the settings, the manifest, the first of the manifest's overrides that
    fits the series, the first of the settings' overrides that fits it.

    Args:
        settings: those of the job.
        alerts, manifest: those of the model.
        job: other settings of the job that affect verdicts, for the digests.

    Attributes:
        rules: all that are in use; index 0 is for series that no override fits.
        digests: identify the settings that decide verdicts, one per entry of :attr:`rules`; see
            ``eddy.alert.Alert.settings_digest``.
        group_of: gives the id of an incident's group from its start; see ``AlertSettings.group_of``.
        filters: whether any of the rules depends on a point's value.
    """

    def __init__(
        self, settings: AlertSettings, alerts: ModelAlerts, manifest: Manifest, job: Mapping[str, Any] | None = None
    ) -> None:
        self._settings, self._alerts = settings, alerts
        self.group_of = settings.group_of
        self._identity = {name: getattr(manifest, name) for name in _IDENTITY} | dict(job or {})
        self._index: dict[tuple[int, int], int] = {}
        self.rules: list[AlertRules] = []
        self.digests: list[str] = []
        self.filters = False
        self._find(-1, -1)

    def bind(self, names: Sequence[str]) -> Ints:
        """Return (n,) index into :attr:`rules` for each series."""
        if not (self._settings.overrides or self._alerts.overrides):
            return np.zeros(len(names), np.int64)
        found = []
        for name in names:
            own = next((i for i, one in enumerate(self._alerts.overrides) if one.fits(name)), -1)
            by_settings = next((i for i, one in enumerate(self._settings.overrides) if one.fits(name)), -1)
            found.append(self._find(own, by_settings))
        return np.array(found, np.int64)

    def _find(self, own: int, by_settings: int) -> int:
        index = self._index.get((own, by_settings))
        if index is not None:
            return index
        given = {**self._settings.given(), **self._alerts.given()}
        given |= self._alerts.overrides[own].given() if own >= 0 else {}
        given |= self._settings.overrides[by_settings].given() if by_settings >= 0 else {}
        # Layers are valid by themselves, but combined they must not ask for k anomalous points of fewer than k.
        given["of_points"] = max(given.get("open_points", 1), given.get("of_points", 1))
        rules = AlertRules.model_validate(given)
        self.rules.append(rules)
        decisive = json.dumps([rules.model_dump(), self._identity], sort_keys=True, default=str)
        self.digests.append(hashlib.blake2b(decisive.encode(), digest_size=8).hexdigest())
        self.filters = self.filters or rules.filters
        self._index[own, by_settings] = len(self.rules) - 1
        return len(self.rules) - 1
