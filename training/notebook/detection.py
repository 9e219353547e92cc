"""What a detector found in a data frame: points with their band and verdict, incidents, a plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np

from eddy.alert import Alert
from eddy.errors import DataError, SettingsError
from eddy.models.core.detector import Floats, Ints
from eddy.training.notebook.frame_replay import Scored
from eddy.training.notebook.frames import Frame

_MAX_PLOTTED = 6  # series: more are no picture
_SIZE = (10.0, 2.6)  # inches, of each series' axes
_INCIDENT_FIELDS: dict[str, Any] = {
    "id": nw.String(),
    "series": nw.String(),
    "start": nw.Datetime("ms"),
    "end": nw.Datetime("ms"),
    "state": nw.String(),
    "severity": nw.Int64(),
    "severity_word": nw.String(),
    "points": nw.Int64(),
    "score": nw.Float64(),
    "threshold": nw.Float64(),
    "confidence": nw.Float64(),
    "suppressed": nw.String(),
}


@dataclass(frozen=True, repr=False, eq=False)
class Detection:
    """The result of :meth:`eddy.Detector.detect`. Its frames are of the library that the input came from.

    Attributes:
        name: of the model.
        alerts: the messages that the job would send for the same observations, groups included, in order;
            ``detected_at`` is 0 in all of them.
    """

    name: str
    alerts: tuple[Alert, ...]
    _frame: Frame = field(repr=False)
    _scored: Scored = field(repr=False)

    @cached_property
    def points(self) -> Any:
        """A row per observation, in the input's order; per observation and feature where there are several.

        Columns: ``series``, ``time`` (UTC), ``feature`` (where there are several), ``value`` (of a counter its
        increase, from where on that was scored); ``expected``, ``lower`` and ``upper`` (the band outside which the
        value would be anomalous); ``score`` and ``threshold``, missing where the detector cannot say; ``anomaly``:
        whether the score is above the threshold; ``incident``: the id of the incident that the point lies in, from its
        first anomalous point to its last, or empty.
        """
        frame, scored = self._frame, self._scored
        order = np.lexsort((frame.codes, frame.rows))
        count = len(frame.features)
        every = np.repeat(order, count)
        found = self._incident_of()
        columns: dict[str, Any] = {
            "series": [frame.names[code] for code in frame.codes[every].tolist()],
            "time": frame.ts[every].astype("datetime64[ms]"),
            "feature": list(frame.features) * len(order),
            "value": scored.value[order].reshape(-1),
            "expected": scored.expected[order].reshape(-1),
            "lower": scored.lower[order].reshape(-1),
            "upper": scored.upper[order].reshape(-1),
            "score": scored.score[every],
            "threshold": scored.limit[every],
            "anomaly": self._over[every],
            "incident": [found[place] for place in every.tolist()],
        }
        if count == 1:
            del columns["feature"]
        kinds = {"series": nw.String(), "time": nw.Datetime("ms"), "feature": nw.String(), "incident": nw.String()}
        schema = {n: kinds.get(n, nw.Boolean() if n == "anomaly" else nw.Float64()) for n in columns}
        return _native(columns, schema, frame.backend)

    @cached_property
    def incidents(self) -> Any:
        """A row per incident, in order of start, as its newest message says.

        Columns as the fields of :class:`eddy.alert.Alert`; ``state`` is ``closed`` or, where the data end before,
        ``open`` or ``update``; ``suppressed`` is empty, or why nobody would be called.
        """
        found = self._newest()
        columns: dict[str, Any] = {}
        for name, kind in _INCIDENT_FIELDS.items():
            cells = [getattr(one, name) for one in found]
            if isinstance(kind, nw.String):
                columns[name] = ["" if cell is None else cell for cell in cells]
            elif isinstance(kind, nw.Datetime):
                columns[name] = np.array(cells, np.int64).astype("datetime64[ms]")
            else:
                columns[name] = np.array(cells, np.int64 if isinstance(kind, nw.Int64) else float)
        return _native(columns, _INCIDENT_FIELDS, self._frame.backend)

    def plot(self, series: str | Sequence[str] = (), *, figsize: tuple[float, float] | None = None) -> list[Any]:
        """Draw values, band, anomalous points and incidents, a row of axes per series (and feature).

        Args:
            series: which; default: those with incidents first, at most six.
            figsize: of the whole figure, in inches.

        Returns:
            The axes, of ``matplotlib``; their ``figure`` can be saved.

        Raises:
            SettingsError: matplotlib is not installed.
            DataError: no such series.
        """
        try:
            from matplotlib import pyplot  # noqa: PLC0415  slow to import
        except ImportError:
            raise SettingsError("plot needs matplotlib, which is not installed: pip install matplotlib") from None
        chosen = self._chosen([series] if isinstance(series, str) else list(series))
        pairs = [(name, f) for name in chosen for f in range(len(self._frame.features))]
        size = figsize or (_SIZE[0], _SIZE[1] * len(pairs))
        _, grid = pyplot.subplots(len(pairs), figsize=size, sharex=True, squeeze=False, layout="constrained")
        axes = list(grid[:, 0])
        for axis, (name, feature) in zip(axes, pairs, strict=True):
            self._draw(axis, name, feature)
        axes[0].legend(loc="upper left", fontsize="small")
        left_out = len(self._frame.names) - len(chosen)
        more = f"; {left_out} more series, plot(series=…) draws them" if not series and left_out else ""
        axes[-1].set_xlabel(f"time (UTC){more}")
        return axes

    def __len__(self) -> int:
        """How many observations there are."""
        return len(self._frame.ts)

    def __repr__(self) -> str:
        points, names = len(self), len(self._frame.names)
        return (
            f"<Detection by {self.name!r}: {points:,} points of {names} series, {int(self._over.sum()):,} anomalous, "
            f"{len(self._newest())} incidents>"
        )

    @property
    def _over(self) -> Any:
        return self._scored.score > self._scored.limit  # NaN is above nothing

    def _newest(self) -> list[Alert]:
        newest = {alert.id: alert for alert in self.alerts if alert.kind == "incident"}
        return sorted(newest.values(), key=lambda one: (one.start, one.series))

    def _incident_of(self) -> list[str]:
        """Id of the incident of each observation, empty where there is none."""
        frame = self._frame
        found = [""] * len(frame.ts)
        bounds = np.searchsorted(frame.codes, np.arange(len(frame.names) + 1))
        place = dict(zip(frame.names, zip(bounds.tolist(), bounds[1:].tolist(), strict=False), strict=True))
        for one in self._newest():
            begin, end = place[one.series]
            own = frame.ts[begin:end]
            for at in range(int(np.searchsorted(own, one.start)), int(np.searchsorted(own, one.end, side="right"))):
                found[begin + at] = one.id
        return found

    def _chosen(self, asked: list[str]) -> list[str]:
        known = self._frame.names
        for name in asked:
            if name not in known:
                some = ", ".join(repr(one) for one in known[:5])
                raise DataError(f"series {name!r}: not in the frame; there are {len(known)}, such as {some}")
        if asked:
            return list(dict.fromkeys(asked))
        found = {one.series for one in self._newest()}
        return sorted(known, key=lambda name: name not in found)[:_MAX_PLOTTED]

    def _draw(self, axis: Any, name: str, feature: int) -> None:
        frame, scored = self._frame, self._scored
        own = np.flatnonzero(frame.codes == frame.names.index(name))
        time: Ints = frame.ts[own].astype("datetime64[ms]")
        value: Floats = scored.value[own, feature]
        lower, upper = scored.lower[own, feature], scored.upper[own, feature]
        over = self._over[own]
        axis.fill_between(time, lower, upper, alpha=0.25, color="tab:blue", linewidth=0, label="band")
        axis.plot(time, scored.expected[own, feature], color="tab:blue", linewidth=0.8, alpha=0.7, label="expected")
        axis.plot(time, value, color="0.2", linewidth=0.9, label="value")
        axis.plot(time[over], value[over], "o", color="tab:red", markersize=4, label="anomalous")
        _limit_height(axis, value)
        label = "incident"
        for one in self._newest():
            if one.series == name:
                ends = np.array([one.start, one.end]).astype("datetime64[ms]")
                axis.axvspan(*ends, color="tab:red", alpha=0.2, label=label)
                label = "_"  # matplotlib leaves it out of the legend
        axis.set_title(name if len(frame.features) == 1 else f"{name}: {frame.features[feature]}", loc="left")


def _limit_height(axis: Any, value: Floats) -> None:
    """Let the values decide what is shown: a band may be many times as wide."""
    known = value[np.isfinite(value)]
    if len(known):
        low, high = float(known.min()), float(known.max())
        room = 0.25 * (high - low) or max(abs(high) * 0.05, math.ulp(1.0))
        axis.set_ylim(low - room, high + room)


def _native(columns: dict[str, Any], schema: dict[str, Any], backend: Any) -> Any:
    """A frame of the backend's own; times are in UTC."""
    frame = nw.from_dict(columns, schema, backend=backend)
    zoned = [nw.col(name).dt.replace_time_zone("UTC") for name, kind in schema.items() if isinstance(kind, nw.Datetime)]
    return frame.with_columns(*zoned).to_native()
