"""Draw the overview's small charts.

Figures are plain dictionaries: building them through plotly's classes costs more time than all else that an update
needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eddy.dashboard.parts.theme import Theme, axis, layout
from eddy.dashboard.stores.incidents import SEVERITIES, IncidentsView
from eddy.dashboard.stores.rates import RatesView

#: window -> (length, width of a bar), ms
ALERT_WINDOWS = {
    "15m": (15 * 60_000, 15_000),
    "1h": (3_600_000, 60_000),
    "24h": (86_400_000, 1_800_000),
    "7d": (7 * 86_400_000, 4 * 3_600_000),
}


def alerts_over_time(view: IncidentsView, now: int, window: str, colours: Theme) -> dict[str, Any]:
    """Draw the number of incidents opened, by severity, as stacked bars over wall-clock time."""
    length, width = ALERT_WINDOWS[window]
    last = now // width * width
    starts = np.arange(last - length + width, last + width, width)
    slot = (view.when - starts[0]) // width
    inside = (slot >= 0) & (slot < len(starts))
    bars = []
    for code in range(len(SEVERITIES) - 1, -1, -1):
        counts = np.bincount(slot[inside & (view.severity == code)], minlength=len(starts))
        bars.append(
            {
                "type": "bar",
                "name": SEVERITIES[code],
                "x": starts + width // 2,
                "y": counts,
                "marker": {"color": colours.severity[SEVERITIES[code]], "line": {"width": 0}},
                "hovertemplate": "%{y} " + SEVERITIES[code] + "<extra></extra>",
            }
        )
    highest = int(np.bincount(slot[inside], minlength=1).max())
    figure = layout(colours, f"alerts-{window}")
    figure |= {
        "barmode": "stack",
        "bargap": 0.15,
        "dragmode": False,
        "xaxis": axis(colours, type="date", range=[int(starts[0]), int(last + width)], showgrid=False, fixedrange=True),
        "yaxis": axis(colours, range=[0, max(4, 1.1 * highest)], nticks=4, fixedrange=True, tickformat="d"),
    }
    return {"data": bars, "layout": figure}


def rate_and_lag(view: RatesView, colours: Theme) -> dict[str, Any]:
    """Draw the rates of events arriving and handled, and beneath them the lag, over the last minutes."""

    def line(name: str, y: Any, colour: str, where: str, **more: Any) -> dict[str, Any]:
        return {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": view.at,
            "y": np.round(y, 1),
            "yaxis": where,
            "line": {"color": colour, "width": 1.6, **more.pop("line", {})},
            "hovertemplate": "%{y:,.0f} " + name + "<extra></extra>",
            **more,
        }

    traces = [
        line("arriving", view.arriving, colours.expected, "y", line={"dash": "dot"}),
        line("handled", view.handled, colours.value, "y"),
        line("behind", view.lag, colours.threshold, "y2", fill="tozeroy", fillcolor="rgba(240,138,75,0.15)"),
    ]
    rates = np.concatenate([view.arriving, view.handled])
    figure = layout(colours, "rate")
    quiet = {"fixedrange": True, "nticks": 4, "rangemode": "tozero"}
    figure |= {
        "dragmode": False,
        "xaxis": axis(colours, type="date", fixedrange=True, showgrid=False, anchor="y2"),
        "yaxis": axis(colours, domain=[0.42, 1], range=[0, _top(rates)], **quiet),
        "yaxis2": axis(colours, domain=[0, 0.3], range=[0, _top(view.lag)], **(quiet | {"nticks": 3})),
    }
    return {"data": traces, "layout": figure}


def _top(values: Any) -> float:
    """Return the upper end of an axis from zero, rounded up to a step so that it does not move with every point."""
    known = values[np.isfinite(values)]
    highest = float(known.max()) if len(known) else 0.0
    if highest <= 10:
        return 10.0
    step = 10 ** np.floor(np.log10(highest)) / 2
    return float(np.ceil(1.05 * highest / step) * step)
