"""Draw the chart of one series: value with band, score with threshold, incidents, filled-in and late points."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eddy.dashboard.parts.downsample import extremes, gap_numbers, ribbon, segments, usual_step, with_gaps
from eddy.dashboard.parts.theme import Theme, axis, layout
from eddy.dashboard.records import Floats, Ints
from eddy.dashboard.stores.incidents import Incident
from eddy.dashboard.stores.points import Columns, ScoredPoints, SeriesPoints

BUCKETS = 500  # of two to three pixels on a wide screen; four points each at most
_MAX_SHADES = 150
_MAX_MARKS = 400
_SCORE_SHARE = 0.24  # of the height
_GAP = 0.035


@dataclass(frozen=True)
class Shown:
    """Describe what a series' chart shows.

    Attributes:
        points: of the series.
        model: the model whose band and score are drawn.
        first, last: event time, epoch ms; None = no limit.
        incidents: to shade.
        revision: see :func:`eddy.dashboard.parts.theme.layout`.
        marked: id of the incident to highlight; empty = none.
        zoomed: the visible range, where it is not all that is drawn.
    """

    points: SeriesPoints
    model: str
    first: int | None
    last: int | None
    incidents: Sequence[Incident]
    revision: str
    marked: str = ""
    zoomed: tuple[int, int] | None = None


def features_of(points: SeriesPoints, model: str) -> tuple[str, ...]:
    """Return the features to draw: the model's, or the observed ones if no model has scored the series."""
    scored = points.scored.get(model)
    return scored.features if scored else points.raw_features


def series_figure(shown: Shown, colours: Theme) -> dict[str, Any]:
    """Draw one row per feature, and the score beneath."""
    scored = shown.points.scored.get(shown.model)
    scored = scored.between(shown.first, shown.last) if scored else None
    features = features_of(shown.points, shown.model)
    figure = layout(colours, shown.revision)
    figure["hovermode"] = "x"
    rows = max(1, len(features))
    height = (1 - (_SCORE_SHARE + _GAP if scored else 0) - _GAP * (rows - 1)) / rows
    traces: list[dict[str, Any]] = []
    observed: list[tuple[Columns, Ints]] = []
    for k, feature in enumerate(features):
        top = 1 - k * (height + _GAP)
        name = "y" if k == 0 else f"y{k + 1}"
        scored_as = scored.name_of(feature) if scored else feature
        title = scored_as if rows > 1 or scored_as != feature else ""  # a single value needs no name
        figure["yaxis" if k == 0 else f"yaxis{k + 1}"] = axis(
            colours, domain=[max(0.0, top - height), top], nticks=5, fixedrange=True, title=_title(title)
        )
        seen = values_of(shown.points, scored, feature, shown.first, shown.last)
        observed.append((seen, gap_numbers(seen.ts)))
        traces += _feature_traces(shown, scored, feature, *observed[-1], name, colours)
    last = f"y{rows}"
    if scored:
        last = f"y{rows + 1}"
        figure[f"yaxis{rows + 1}"] = axis(
            colours, domain=[0, _SCORE_SHARE], nticks=4, rangemode="tozero", fixedrange=True, title=_title("score")
        )
        traces += _score_traces(scored, *observed[0], last, colours)
    figure["xaxis"] = axis(colours, type="date", anchor=last if rows + bool(scored) > 1 else "y", showspikes=True,
        spikemode="across", spikethickness=1, spikedash="dot", spikecolor=colours.dim, spikesnap="cursor")  # fmt: skip
    if shown.zoomed:
        figure["xaxis"]["range"] = list(shown.zoomed)
    figure["shapes"] = _shades(shown, colours)
    figure["hoverdistance"] = 30
    return {"data": traces, "layout": figure}


def _title(text: str) -> dict[str, Any]:
    """Return a row's title, escaped: Plotly reads some HTML in texts, and a name must not be read as HTML."""
    return {"text": html.escape(text), "font": {"size": 12}, "standoff": 4}


def values_of(
    points: SeriesPoints, scored: ScoredPoints | None, feature: str, first: int | None, last: int | None
) -> Columns:
    """Return all observed values of a feature: those that were scored, and from Kafka those that were not.

    Of a counter these are its increases.
    """
    parts = []
    if scored is not None:
        parts.append(Columns(scored.table.ts, scored.column(feature, "value")))
    if points.raw is not None and (column := _raw_column(points, feature)) is not None:
        raw = points.raw.between(first, last)
        counter = scored is not None and feature in scored.increases
        parts.append(Columns(raw.ts, increases(raw.data[:, column]) if counter else raw.data[:, column]))
    if not parts:
        return Columns(np.zeros(0, np.int64), np.zeros(0))
    if len(parts) == 1 or not len(parts[0].ts):
        return parts[-1]
    own, raw = parts
    # Most of the history lies before the scored points: only the overlap has to be merged, and scored points win.
    split = int(np.searchsorted(raw.ts, own.ts[0]))
    ts, at = np.unique(np.concatenate([own.ts, raw.ts[split:]]), return_index=True)
    data = np.concatenate([own.data, raw.data[split:]])[at]
    return Columns(np.concatenate([raw.ts[:split], ts]), np.concatenate([raw.data[:split], data]))


def increases(values: Floats) -> Floats:
    """Return (n,) the increases of a counter from point to point; none where it begins, or begins anew."""
    steps = np.diff(values, prepend=np.nan)
    return np.where(steps < 0, np.nan, steps)


def _raw_column(points: SeriesPoints, feature: str) -> int | None:
    if feature in points.raw_features:
        return points.raw_features.index(feature)
    return 0 if len(points.raw_features) == 1 else None


def _feature_traces(
    shown: Shown, scored: ScoredPoints | None, feature: str, seen: Columns, gaps: Ints, where: str, colours: Theme
) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = []
    if scored is not None and len(scored.table):
        traces += _band(scored, feature, where, _gaps_at(seen.ts, gaps, scored.table.ts), colours)
    chosen = extremes(seen.data, BUCKETS)
    x, y = with_gaps(seen.ts[chosen], gaps[chosen], seen.data[chosen])
    traces.append(_line(x, y, "value", where, {"color": colours.value, "width": 1.5}))
    if scored is not None:
        traces += _marks(shown, scored, feature, seen, where, colours)
    counter = scored is not None and feature in scored.increases  # of a late point no increase is known
    if (
        not counter
        and (late := shown.points.late) is not None
        and (column := _raw_column(shown.points, feature)) is not None
    ):
        part = late.between(shown.first, shown.last)
        if len(part) and part.data.shape[1] > column:
            marker = {"symbol": "x-thin", "size": 9, "line": {"color": colours.late, "width": 2}}
            traces.append(_points(part.ts, part.data[:, column], "late, not scored", where, marker))
    return traces


def _gaps_at(ts: Ints, gaps: Ints, at: Ints) -> Ints:
    """Number gaps by all observed times: points that the job did not write to Redis are no gaps."""
    return gaps[np.clip(np.searchsorted(ts, at), 0, len(ts) - 1)] if len(ts) else np.zeros(len(at), np.int64)


def _band(scored: ScoredPoints, feature: str, where: str, gaps: Ints, colours: Theme) -> list[dict[str, Any]]:
    ts = scored.table.ts
    lower, upper, expected = (scored.column(feature, what) for what in ("lower", "upper", "expected"))
    if np.isnan(lower).all() and np.isnan(expected).all():
        return []
    at = segments(len(ts), 2 * BUCKETS)
    x, y = ribbon(ts[at], gaps[at], np.fmin.reduceat(lower, at), np.fmax.reduceat(upper, at))
    area = _line(x, y, "band", where, {"width": 0})
    area |= {"fill": "toself", "fillcolor": colours.band, "hoverinfo": "skip", "hovertemplate": None}
    x, y = with_gaps(ts[at], gaps[at], expected[at])
    return [area, _line(x, y, "expected", where, {"color": colours.expected, "width": 1, "dash": "dot"})]


def _marks(
    shown: Shown, scored: ScoredPoints, feature: str, seen: Columns, where: str, colours: Theme
) -> list[dict[str, Any]]:
    """Mark points above the threshold, and places where points were filled in."""
    ts, value = scored.table.ts, scored.column(feature, "value")
    above = np.flatnonzero(scored.column(feature, "score") > scored.column(feature, "threshold"))
    traces = []
    if len(above):
        above = above[:: max(1, -(-len(above) // _MAX_MARKS))]
        marker = {"color": colours.threshold, "size": 6, "line": {"color": colours.panel, "width": 1}}
        traces.append(_points(ts[above], value[above], "above the threshold", where, marker))
    filled_ts, filled = filled_in(scored, seen)
    if len(filled_ts):
        step = max(1, -(-len(filled_ts) // _MAX_MARKS))
        marker = {"symbol": "diamond-open", "color": colours.imputed, "size": 7, "line": {"width": 1.5}}
        traces.append(_points(filled_ts[::step], filled[::step], "filled in", where, marker))
    return traces


def filled_in(scored: ScoredPoints, seen: Columns) -> tuple[Ints, Floats]:
    """Return the times that the windows filled in, with values on the line between their neighbours.

    Windows say how many of their points were filled in, not which: those are where points are missing between two
    that came while the window's count is above zero.
    """
    ts = scored.table.ts
    step = usual_step(ts)
    if len(ts) < 3 or not step:
        return np.zeros(0, np.int64), np.zeros(0)
    imputed = scored.column(scored.features[0], "imputed")
    gaps = np.flatnonzero((np.diff(ts) > 1.5 * step) & (imputed[1:] > 0))
    places = [np.arange(ts[k] + step, ts[k + 1] - step / 2, step) for k in gaps[-_MAX_MARKS:] if _short(ts, k, step)]
    if not places:
        return np.zeros(0, np.int64), np.zeros(0)
    at = np.concatenate(places).astype(np.int64)
    known = ~np.isnan(seen.data)
    if not known.any():
        return np.zeros(0, np.int64), np.zeros(0)
    return at, np.interp(at, seen.ts[known], seen.data[known])


def _short(ts: Ints, k: np.intp, step: float) -> bool:
    return bool(ts[k + 1] - ts[k] < 200 * step)  # a longer one breaks the window: nothing was filled in


def _score_traces(scored: ScoredPoints, seen: Columns, gaps: Ints, where: str, colours: Theme) -> list[dict[str, Any]]:
    ts, first = scored.table.ts, scored.features[0]
    gaps = _gaps_at(seen.ts, gaps, ts)
    score, threshold = scored.column(first, "score"), scored.column(first, "threshold")
    chosen = extremes(score, BUCKETS)
    x, y = with_gaps(ts[chosen], gaps[chosen], score[chosen])
    traces = [_line(x, y, "score", where, {"color": colours.score, "width": 1.3})]
    if len(ts):
        ends = np.append(segments(len(ts), BUCKETS), len(ts) - 1)
        limit = {"color": colours.threshold, "width": 1.3, "dash": "dash"}
        traces.append(_line(ts[ends], threshold[ends], "threshold", where, limit))
    return traces


def _line(x: Any, y: Any, name: str, where: str, line: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": x, "y": _short_numbers(y), "yaxis": where, "line": line,
        "connectgaps": False, "hovertemplate": name + " %{y:,.5~g}<extra></extra>",
    }  # fmt: skip


def _points(x: Any, y: Any, name: str, where: str, marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": x, "y": _short_numbers(y), "yaxis": where,
        "marker": marker, "hovertemplate": name + " %{y:,.5~g}<extra></extra>",
    }  # fmt: skip


def _short_numbers(values: Floats) -> Floats:
    """Round to seven significant digits of the largest value: half the bytes on the wire, the same pixels."""
    known = np.abs(values[np.isfinite(values)])
    highest = float(known.max()) if len(known) else 0.0
    return np.round(values, max(0, 6 - int(np.floor(np.log10(highest))))) if highest > 0 else values


def _line_at(ts: int, colour: str) -> dict[str, Any]:
    """Mark the point whose values an incident shows, where that is not the newest of its window."""
    line = {"width": 1.5, "color": colour, "dash": "dot"}
    return {"type": "line", "xref": "x", "yref": "paper", "x0": ts, "x1": ts, "y0": 0, "y1": 1, "line": line}


def _shades(shown: Shown, colours: Theme) -> list[dict[str, Any]]:
    shapes = []
    for incident in shown.incidents:
        alert = incident.alert
        if (shown.last is not None and alert.start > shown.last) or (
            shown.first is not None and alert.end < shown.first
        ):
            continue
        marked = alert.id == shown.marked
        colour = colours.severity[alert.severity_word]
        shapes.append(
            {
                "type": "rect",
                "xref": "x",
                "yref": "paper",
                "x0": alert.start,
                "x1": max(alert.end, alert.start + 1),
                "y0": 0,
                "y1": 1,
                "fillcolor": colour,
                "opacity": 0.28 if marked else 0.16,
                "layer": "below",
                "line": {"width": 1.5, "color": colour},
            }
        )
        if marked and alert.points_ago and alert.values_at is not None:
            shapes.append(_line_at(alert.values_at, colour))
        if len(shapes) >= _MAX_SHADES:
            break
    return shapes
