"""From a data frame to a model, by the parameters of :class:`eddy.training.notebook.frame_detector.Detector`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, get_args

import numpy as np

from eddy.errors import DataError, SettingsError
from eddy.intervals import interval_to_ms
from eddy.models.artifacts.manifest import ValueType
from eddy.models.core.detector import GapPolicy, WindowSpec
from eddy.models.serving.loaded_model import LoadedModel
from eddy.settings import DetectorSettings
from eddy.training.fitting.fit import FALSE_RATE, ThresholdRule, Trained, fit_model, usual_window
from eddy.training.notebook.frames import Frame, check_interval, found_interval


def fit_frame(frame: Frame, asked: Mapping[str, Any]) -> Trained:
    """Fit a detector on a frame.

    Args:
        frame: mostly normal.
        asked: the parameters, see :class:`eddy.training.notebook.frame_detector.Detector`.

    Raises:
        DataError: the interval does not fit, a series has no value, or there is too little to learn from.
        SettingsError: a parameter cannot be used; names it.
    """
    kind = asked["kind"]
    if asked["gaps"] not in get_args(GapPolicy):
        raise SettingsError(f"gaps: found {asked['gaps']!r}, expected one of {', '.join(get_args(GapPolicy))}")
    for name, least in (("window", 1), ("stride", 1)):
        number = asked[name]
        if number is not None and (not isinstance(number, int) or number < least):
            raise SettingsError(f"{name}: found {number!r}, expected a whole number of points, at least {least}")
    if asked["value_type"] not in get_args(ValueType):
        known = ", ".join(get_args(ValueType))
        raise SettingsError(f"value_type: found {asked['value_type']!r}, expected one of {known}")
    interval = found_interval(frame, interval_of(asked["interval"]))
    _check_values(frame)
    window = asked["window"] or usual_window(kind, interval, DetectorSettings().window_size)
    spec = WindowSpec(window, asked["stride"], frame.features, interval, asked["gaps"])
    patterns = asked["patterns"]
    return fit_model(
        asked["name"], kind, frame.dataset().regular(spec), spec,
        patterns=(patterns,) if isinstance(patterns, str) else tuple(patterns),
        params=_plain(asked["params"]), rule=_rule(asked["threshold"], _plain(asked["threshold_params"])),
        alerts=_plain(asked["alerts"]), seed=asked["seed"], value_type=asked["value_type"],
    )  # fmt: skip


def interval_of(interval: str | timedelta | None) -> int | None:
    """Milliseconds of an interval as given; None: it is to be found.

    Raises:
        SettingsError: neither a text such as ``10m`` nor a ``timedelta``.
    """
    if interval is None:
        return None
    if isinstance(interval, timedelta):
        return round(interval.total_seconds() * 1000)
    if isinstance(interval, str):
        return interval_to_ms(interval, "interval")
    raise SettingsError(f"interval: found {interval!r}, expected a text such as '10m', or a timedelta")


def check_fits(model: LoadedModel, frame: Frame) -> None:
    """Refuse a frame that a model cannot score.

    Raises:
        DataError: other features or another interval than the model's, or none of the series that it applies to.
    """
    manifest = model.manifest
    if frame.features != manifest.features:
        form = "long form" if frame.long else "wide form, which has one value per point"
        raise DataError(
            f"found {', '.join(frame.features)} ({form}), the detector was fitted on {', '.join(manifest.features)}; "
            "choose the columns with values="
        )
    check_interval(frame, manifest.interval_ms)
    if not any(manifest.applies_to(name) for name in frame.names):
        raise DataError(
            f"the detector applies to {' '.join(manifest.series)} (patterns=), to none of the {len(frame.names)} "
            f"series found, such as {frame.names[0]!r}"
        )


def _check_values(frame: Frame) -> None:
    """Each series needs a value of each feature."""
    for code, name in enumerate(frame.names):
        own = frame.values[frame.codes == code]
        empty = ~np.isfinite(own).any(axis=0)
        if empty.any():
            column = frame.value_columns[int(np.flatnonzero(empty)[0])] if frame.long else name
            of = f" of series {name!r}" if frame.long else ""
            raise DataError(
                f"column {column!r}: every value{of} is missing (NaN), expected numbers; leave it out of what the "
                "detector is fitted on"
            )


def _rule(name: str | None, params: dict[str, Any]) -> ThresholdRule | None:
    if name is None:
        if params:
            raise SettingsError(f"threshold_params: found {params}, expected none without threshold=; name a threshold")
        return None
    if name == "f-beta":
        raise SettingsError("threshold 'f-beta' needs labels, which a frame does not carry; use 'eddy train --labels'")
    if name == "contamination":
        params.setdefault("contamination", DetectorSettings().contamination)
    rate = params.pop("false_rate", FALSE_RATE) if name == "tail" else FALSE_RATE
    return ThresholdRule(name, rate, params)


def _plain(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy with numpy's numbers, as searches over parameters give them, as Python's: they are written as JSON."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in (params or {}).items()}
