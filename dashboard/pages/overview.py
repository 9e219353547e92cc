"""First sight: what is wrong now, and whether everything runs."""

from __future__ import annotations

from dash import html

from eddy.dashboard.pages.base import Page, Parts
from eddy.dashboard.parts import components
from eddy.dashboard.parts.address import Query, incident_link
from eddy.dashboard.parts.overview_charts import ALERT_WINDOWS, alerts_over_time, rate_and_lag
from eddy.dashboard.parts.theme import Theme
from eddy.dashboard.parts.wording import NOTHING, count, moment, size, span
from eddy.dashboard.stores.points import SeriesPoints
from eddy.dashboard.stores.snapshot import Snapshot

_LISTED = 12
_HEALTHY = {"RUNNING": "good", "FINISHED": "good", "none": "warn", "RESTARTING": "warn", "CREATED": "warn"}


class OverviewPage(Page):
    """First sight: what is wrong now, and whether everything runs."""

    name = "overview"
    title = "Overview"
    address = "/"
    place = 10

    def skeleton(self, _: Query) -> html.Div:
        """What stands still."""
        return html.Div(
            [
                html.H1("What is wrong now", className="sr-only"),
                html.Div(id="tiles", className="tiles"),
                html.Div(
                    [
                        components.panel(
                            "Open incidents",
                            id="open-incidents",
                            aside=components.link("All incidents", "/incidents"),
                            className="span-7 fill",
                        ),
                        html.Div(
                            [
                                components.panel(
                                    "Incidents opened",
                                    components.graph("alerts-graph", "short"),
                                    aside=html.Div(id="alert-windows"),
                                ),
                                components.panel(
                                    "Event rate and lag",
                                    components.graph("rate-graph", "short"),
                                    aside=html.Div(id="rate-legend"),
                                ),
                            ],
                            className="span-5 column",
                        ),
                        components.panel(
                            "Models in use",
                            id="models-in-use",
                            aside=components.link("All models", "/models"),
                            className="span-7",
                        ),
                        components.panel("Job", id="job-health", className="span-5"),
                    ],
                    className="grid",
                ),
            ]
        )

    def parts(self, snapshot: Snapshot, query: Query, colours: Theme, points: SeriesPoints | None) -> Parts:
        """What is live."""
        window = query.text("alerts", "1h", tuple(ALERT_WINDOWS))
        return {
            "tiles": {"children": _tiles(snapshot)},
            "open-incidents": {"children": _open(snapshot)},
            "alert-windows": {
                "children": components.chips("alerts", [(w, w) for w in ALERT_WINDOWS], window, "time window")
            },
            "alerts-graph": {"figure": alerts_over_time(snapshot.incidents, snapshot.at, window, colours)},
            "rate-legend": {
                "children": html.Div(
                    [
                        html.Span([html.I(className="dash line-value"), "handled"], className="legend-item"),
                        html.Span([html.I(className="dash line-dim"), "arriving"], className="legend-item"),
                        html.Span([html.I(className="dash line-threshold"), "behind"], className="legend-item"),
                    ],
                    className="legend",
                )
            },
            "rate-graph": {"figure": rate_and_lag(snapshot.rates, colours)},
            "models-in-use": {"children": _models(snapshot)},
            "job-health": {"children": _job(snapshot)},
        }


def _tiles(snapshot: Snapshot) -> list[components.Node]:
    incidents, job = snapshot.incidents, snapshot.job
    by_severity = incidents.open_by_severity()
    fresh = sum(1 for incident in incidents.open if incident.needs_attention)
    _, handled, lag = snapshot.rates.newest()
    waiting = int(job.counters.get("series_without_model", 0)) if job else 0
    return [
        components.tile(
            "Open incidents",
            html.Div(
                [
                    html.Span(f"{len(incidents.open):,}", className="big"),
                    html.Span(f"{fresh:,} not looked at", className="beside"),
                ]
            ),
            components.shares(by_severity, "sev"),
            tone="wide",
        ),
        components.tile(
            "Series",
            html.Div(
                [
                    html.Span(f"{len(snapshot.series.names):,}", className="big"),
                    html.Span(f"{waiting:,} without a model" if waiting else "", className="beside"),
                ]
            ),
            components.shares(snapshot.series.counts(), "state"),
            tone="wide",
        ),
        components.tile(
            "Events per second",
            html.Div(count(handled), className="big"),
            html.Div(f"{count(lag)} events behind", className="under"),
        ),
        components.tile(
            "Job",
            html.Div(
                [html.I(className=f"dot job-{_HEALTHY.get(job.state, 'bad') if job else 'warn'}"), _job_word(snapshot)],
                className="big word",
            ),
            html.Div(
                f"up {span(snapshot.at - job.started)}" if job and job.state == "RUNNING" else NOTHING,
                className="under",
            ),
        ),
    ]


def _job_word(snapshot: Snapshot) -> str:
    if snapshot.job is None:
        return "not known"
    return {"none": "not started"}.get(snapshot.job.state, snapshot.job.state.lower())


def _open(snapshot: Snapshot) -> components.Node:
    series, rows = snapshot.series, []
    for incident in snapshot.incidents.open[:_LISTED]:
        alert = incident.alert
        at = series.index.get(alert.series)
        rows.append(
            [
                components.severity(incident),
                [components.link(alert.series, incident_link(alert.id), "name"), components.verdict(incident)],
                components.sparkline(series.spark[at]) if at is not None else "",
                moment(alert.start),
                components.seen_of(incident),
            ]
        )
    head = ("Severity", "Series", ("", "hide-phone"), "Since (UTC)", ("At its highest", "hide-phone wrap"))
    more = len(snapshot.incidents.open) - len(rows)
    return [
        components.table(head, rows, "Nothing is wrong: no incident is open."),
        components.link(f"{more:,} more", "/incidents?state=open", "more") if more > 0 else None,
    ]


def _models(snapshot: Snapshot) -> components.Node:
    rows = [
        [
            components.link(m.name, "/models", "name"),
            str(m.version),
            m.detector,
            " ".join(m.series),
            moment(m.published),
        ]
        for m in snapshot.models.current.values()
    ]
    head = ("Name", ("Version", "num"), "Detector", "Series", ("Published (UTC)", "hide-phone"))
    return components.table(head, rows, "No model is published. 'eddy models publish' does that.")


def _job(snapshot: Snapshot) -> components.Node:
    job = snapshot.job
    if job is None:
        return html.P("Flink has not answered yet.", className="empty")
    if job.state == "none":
        return html.P(f"No job named {job.name} runs there. 'eddy job submit' starts it.", className="empty")
    marks, counters = job.checkpoints, job.counters
    said = (
        f"{span(snapshot.at - marks.last_at)} ago, {marks.last_ms:,} ms, {size(marks.last_bytes)}"
        if marks.last_at
        else NOTHING
    )
    late, twice, bad = (counters.get(name, 0) for name in ("late", "duplicate", "bad"))
    rows: list[tuple[str, components.Node]] = [
        ("State", f"{_job_word(snapshot)}, restarted {marks.restored:,} times"),
        ("Last checkpoint", said),
        ("Checkpoints", f"{marks.completed:,} done, {marks.failed:,} failed"),
        ("Busiest operator", f"{job.busy:.0%}" if job.busy is not None else NOTHING),
        ("Workers", f"{job.workers:,}, {job.slots - job.slots_free:,} of {job.slots:,} slots used"),
        ("Events", f"{counters.get('events', 0):,.0f}, windows scored {counters.get('windows', 0):,.0f}"),
        ("Not used", f"{late:,.0f} late, {twice:,.0f} twice, {bad:,.0f} bad"),
    ]
    if job.failure:
        rows.append(("Last failure", job.failure))
    return components.facts(rows)
