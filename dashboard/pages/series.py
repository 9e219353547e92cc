"""One series: its value with what was expected, the score, and its incidents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dash import html

from eddy.dashboard.pages.base import Page, Parts
from eddy.dashboard.parts import components
from eddy.dashboard.parts.address import Query, incident_link
from eddy.dashboard.parts.series_chart import Shown, features_of, series_figure
from eddy.dashboard.parts.theme import Theme
from eddy.dashboard.parts.wording import NOTHING, moment, number, span
from eddy.dashboard.stores.incidents import Incident
from eddy.dashboard.stores.points import SeriesPoints
from eddy.dashboard.stores.series_table import STATES
from eddy.dashboard.stores.snapshot import Snapshot

HOUR = 3_600_000
#: as far back from the newest point, ms
WINDOWS: Mapping[str, int | None] = {
    "15m": HOUR // 4,
    "1h": HOUR,
    "6h": 6 * HOUR,
    "1d": 24 * HOUR,
    "7d": 168 * HOUR,
    "30d": 720 * HOUR,
    "all": None,
}
_LISTED = 20
_MARGIN = 0.5  # of the visible range, drawn on either side of it: a small pan shows no hole


class SeriesPage(Page):
    """One series: its value with what was expected, the score, and its incidents."""

    name = "series"
    title = "Series"
    address = "/series/*"
    under = "series-list"

    def series(self, snapshot: Snapshot, query: Query) -> str | None:
        return query.subject

    def skeleton(self, query: Query) -> html.Div:
        """What stands still."""
        return html.Div(
            [
                html.Div(
                    [
                        html.Div(components.link("Series", "/series"), className="crumb"),
                        html.H1(query.subject),
                        html.Div(id="series-state", className="inline"),
                    ],
                    className="title",
                ),
                html.Div(
                    [
                        html.Div(id="series-windows"),
                        html.Div(id="series-judges"),
                        html.Div(id="series-notice", className="notice"),
                    ],
                    className="toolbar",
                ),
                html.Section(
                    [
                        html.Div(legend(), className="legend-row"),
                        html.Div(components.graph("series-graph", "tall"), id="series-box"),
                    ],
                    className="panel flat figure",
                ),
                html.Div(
                    [
                        components.panel("Newest point", id="series-facts", className="span-5"),
                        components.panel("Incidents of this series", id="series-incidents", className="span-7"),
                    ],
                    className="grid",
                ),
            ]
        )

    def parts(self, snapshot: Snapshot, query: Query, colours: Theme, points: SeriesPoints | None) -> Parts:
        """What is live."""
        assert points is not None  # noqa: S101  series() names one
        model = model_of(points, snapshot, query.text("model"))
        window = query.text("window", "all", tuple(WINDOWS))
        first, last = _range(points, model, query, window)
        incidents = snapshot.incidents.by_series.get(query.subject, ())
        zoomed = _zoomed(query)
        # Another revision for another state: a press on a window ends a zoom. Within one, the viewer's range stays.
        revision = f"{query.subject}-{model}-{window}-{'zoomed' if zoomed else 'whole'}"
        shown = Shown(points, model, first, last, incidents, revision, zoomed=zoomed)
        rows = len(features_of(points, model)) + bool(model)
        return {
            "series-state": {"children": _state(snapshot, query.subject)},
            "series-windows": {
                "children": components.chips("window", [(w, w) for w in WINDOWS], window, "time window")
            },
            "series-judges": {"children": _applicable(points, model)},
            "series-notice": {"children": _notice(points)},
            "series-box": {"className": f"rows-{min(rows, 8)}"},
            "series-graph": {"figure": series_figure(shown, colours)},
            "series-facts": {"children": _facts(snapshot, points, model)},
            "series-incidents": {
                "children": components.table(_HEAD, _incident_rows(incidents[:_LISTED]), "None so far.")
            },
        }


def legend() -> list[html.Span]:
    """What the marks mean: beside the figure, where it takes no room from it and does not jump."""
    items = (
        ("dash line-value", "value"),
        ("swatch band", "expected band"),
        ("dash line-score", "score"),
        ("dash line-threshold", "threshold"),
        ("dot mark-above", "above the threshold"),
        ("mark-filled", "filled in"),
        ("mark-late", "late, not scored"),
        ("swatch shade", "incident"),
    )
    return [html.Span([html.I(className=kind), text], className="legend-item") for kind, text in items]


def model_of(points: SeriesPoints, snapshot: Snapshot, wanted: str) -> str:
    """The model to show: the one asked for, else the one that wrote last."""
    if wanted in points.scored:
        return wanted
    at = snapshot.series.index.get(points.series)
    last = snapshot.series.models[snapshot.series.model[at]] if at is not None else ""
    return last if last in points.scored else next(iter(points.scored), "")


_HEAD = ("Severity", "State", "From (UTC)", ("Points", "num"), ("At its highest", "hide-phone"))


def _incident_rows(incidents: Sequence[Incident]) -> list[list[components.Node]]:
    return [
        [
            components.severity(incident),
            [components.state("open" if incident.is_open else "closed"), components.verdict(incident)],
            components.link(moment(incident.alert.start), incident_link(incident.alert.id), "name"),
            f"{incident.alert.points:,}",
            components.seen_of(incident),
        ]
        for incident in incidents
    ]


def _zoomed(query: Query) -> tuple[int, int] | None:
    start, end = query.whole("from"), query.whole("to")
    return (start, end) if start is not None and end is not None and end > start else None


def _range(points: SeriesPoints, model: str, query: Query, window: str) -> tuple[int | None, int | None]:
    """Event times to draw: a zoomed view with a margin, else the window that ends at the newest point."""
    if (zoomed := _zoomed(query)) is not None:
        start, end = zoomed
        margin = int(_MARGIN * (end - start))
        return start - margin, end + margin
    length = WINDOWS[window]
    newest = newest_of(points, model)
    return (None, None) if length is None or newest is None else (newest - length, None)


def newest_of(points: SeriesPoints, model: str) -> int | None:
    """Time of the newest point known."""
    found = [table.ts[-1] for table in (points.raw,) if table is not None and len(table)]
    scored = points.scored.get(model)
    if scored and len(scored.table):
        found.append(scored.table.ts[-1])
    return int(max(found)) if found else None


def _state(snapshot: Snapshot, series: str) -> components.Node:
    at = snapshot.series.index.get(series)
    return components.state(STATES[snapshot.series.state[at]]) if at is not None else None


def _applicable(points: SeriesPoints, model: str) -> components.Node:
    if len(points.scored) < 2:
        counter = f", {_counter(points, model)}" if _counter(points, model) else ""
        return html.Span(["judged by ", html.B(model), counter], className="dim") if model else None
    return components.chips("model", [(name, name) for name in sorted(points.scored)], model, "model")


def _counter(points: SeriesPoints, model: str) -> str:
    """Say of which features the increase is scored; empty where it is the value of all."""
    scored = points.scored.get(model)
    if scored is None or not scored.increases:
        return ""
    which = f" of {', '.join(scored.increases)}" if len(scored.features) > 1 else ""
    return f"counter: the increase{which} is scored"


def _notice(points: SeriesPoints) -> str:
    if not points.loaded and points.raw is None:
        return "loading …"
    return f"reading history, {points.history:.0%}" if points.history < 1 else ""


def _facts(snapshot: Snapshot, points: SeriesPoints, model: str) -> components.Node:
    at = snapshot.series.index.get(points.series)
    scored = points.scored.get(model)
    if at is None and scored is None:
        if points.raw is None:
            return html.P("Nothing is known of a series of this name yet.", className="empty")
        return html.P("It is observed; no model has judged it yet.", className="empty")
    rows: list[tuple[str, components.Node]] = []
    if scored and len(scored.table):
        rows.append(("Time (UTC)", moment(int(scored.table.ts[-1]))))
        for feature in scored.features:
            value, low, high = (float(scored.column(feature, what)[-1]) for what in ("value", "lower", "upper"))
            band = f"expected {number(low)} to {number(high)}" if low == low else ""  # noqa: PLR0124  NaN
            rows.append((scored.name_of(feature), [html.B(number(value, 6)), " ", html.Span(band, className="dim")]))
        score, threshold = (float(scored.column(scored.features[0], what)[-1]) for what in ("score", "threshold"))
        rows.append(("Score", [html.B(number(score)), html.Span(f" threshold {number(threshold)}", className="dim")]))
    if current := snapshot.models.current.get(model):
        rows.append(("Model", f"{model}, version {current.version}"))
        rows.append(("Detector", f"{current.detector}, windows of {current.window:,} points"))
    if off_interval := snapshot.models.off_interval(model):
        rows.append(("Other interval", off_interval))
    if counter := _counter(points, model):
        rows.append(("Scored", counter))
    if at is not None:
        rows.append(("Heard of", f"{span(snapshot.at - int(snapshot.series.written[at]))} ago"))
    points_known = (len(scored.table) if scored else 0, len(points.raw) if points.raw is not None else 0)
    rows.append(("Points here", f"{points_known[0]:,} judged, {points_known[1]:,} from history"))
    return components.facts(rows or [("Points", NOTHING)])
