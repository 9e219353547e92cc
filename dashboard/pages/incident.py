"""One incident: why it fired, what surrounds it, and what is to be done about it."""

from __future__ import annotations

import numpy as np
from dash import dcc, html

from eddy.dashboard.pages.base import Page, Parts
from eddy.dashboard.pages.series import legend
from eddy.dashboard.parts import components
from eddy.dashboard.parts.address import Query, incident_link, series_link
from eddy.dashboard.parts.series_chart import Shown, series_figure, values_of
from eddy.dashboard.parts.theme import Theme
from eddy.dashboard.parts.wording import NOTHING, moment, number, span
from eddy.dashboard.stores.incidents import Incident
from eddy.dashboard.stores.points import SeriesPoints
from eddy.dashboard.stores.snapshot import Snapshot

_AROUND = 1.5  # of the incident's length and the model's window, on either side
_MIN_AROUND = 40  # points
_NEIGHBOURS = 4  # points before and after in the table
_OTHERS = 8
_SAME_TIME_MS = 3_600_000


class IncidentPage(Page):
    """One incident: why it fired, what surrounds it, and what is to be done about it."""

    name = "incident"
    title = "Incident"
    address = "/incident/*"
    under = "incidents"

    def series(self, snapshot: Snapshot, query: Query) -> str | None:
        incident = snapshot.incidents.by_id.get(query.subject)
        return incident.alert.series if incident is not None else None

    def skeleton(self, query: Query) -> html.Div:
        """What stands still."""
        return html.Div(
            [
                html.Div(
                    [
                        html.Div(components.link("Incidents", "/incidents"), className="crumb"),
                        html.H1("Incident", id="incident-title"),
                        html.Div(id="incident-state", className="inline"),
                    ],
                    className="title",
                ),
                html.Div(_buttons(query.subject), className="toolbar actions"),
                html.Div(
                    [
                        components.panel("Why it fired", id="incident-why", className="span-7"),
                        components.panel("What is known", id="incident-facts", className="span-5"),
                    ],
                    className="grid",
                ),
                html.Section(
                    [
                        html.Div(legend(), className="legend-row"),
                        html.Div(components.graph("incident-graph", "medium"), id="incident-box"),
                    ],
                    className="panel flat figure",
                ),
                html.Div(
                    [
                        components.panel("Points before, in and after", id="incident-neighbours", className="span-5"),
                        components.panel("Other incidents", id="incident-others", className="span-7"),
                    ],
                    className="grid",
                ),
            ]
        )

    def parts(self, snapshot: Snapshot, query: Query, colours: Theme, points: SeriesPoints | None) -> Parts:
        """What is live; ``points`` are those of its series, None where the incident is not known."""
        incident = snapshot.incidents.by_id.get(query.subject)
        if incident is None or points is None:
            return {"incident-title": {"children": "Incident"}, "incident-why": {"children": _unknown(snapshot)}}
        model = str(incident.alert.model.get("name", ""))
        model = model if model in points.scored else next(iter(points.scored), "")
        first, last = _around(snapshot, incident, points, model)
        siblings = snapshot.incidents.by_series.get(incident.alert.series, ())
        shown = Shown(points, model, first, last, siblings, f"incident-{query.subject}", marked=query.subject)
        words = incident.verdict.words() if incident.verdict else ""
        rows = len(points.scored[model].features) + 1 if model else 1
        return {
            "incident-title": {"children": components.series_name(incident.alert.series)},
            "incident-state": {"children": _state(incident)},
            "incident-verdict": {
                "children": f"{words} by {incident.verdict.who}" if incident.verdict and words else ""
            },
            "incident-why": {"children": _why(incident)},
            "incident-facts": {"children": _facts(snapshot, incident)},
            "incident-box": {"className": f"rows-{min(rows, 8)}"},
            "incident-graph": {"figure": series_figure(shown, colours)},
            "incident-neighbours": {"children": _neighbours(incident, points, model)},
            "incident-others": {"children": _others(snapshot, incident)},
        }


def _buttons(incident: str) -> list[components.Node]:
    def button(text: str, action: str, kind: str = "") -> html.Button:
        return html.Button(
            text,
            type="button",
            className=f"button {kind}".strip(),
            **{"data-action": "feedback", "data-body": f'{{"id": "{incident}", "action": "{action}"}}'},
        )

    return [
        button("Acknowledge", "ack", "primary"),
        button("Dismiss", "dismiss"),
        html.Div(
            [
                html.Label(
                    [
                        html.Span("Label", className="sr-only"),
                        dcc.Input(id="label", placeholder="Label, such as sensor-fault", maxLength=64),
                    ]
                ),
                button("Label", "label"),
            ],
            className="joined",
        ),
        html.Button("Copy link", type="button", className="button", **{"data-copy": "link"}),
        html.Span(id="incident-verdict", className="said"),
    ]


def _unknown(snapshot: Snapshot) -> html.P:
    if snapshot.number < 3:
        return html.P("loading …", className="empty")
    return html.P("No incident of this id is known. Alerts are kept for a while only.", className="empty")


def _state(incident: Incident) -> list[components.Node]:
    word = "closed" if not incident.is_open else "open"
    return [components.severity(incident), components.state(word), components.verdict(incident)]


def _around(snapshot: Snapshot, incident: Incident, points: SeriesPoints, model: str) -> tuple[int, int]:
    """Return the span of event time to draw: the incident, and enough before and after to see what is usual."""
    alert = incident.alert
    scored = points.scored.get(model)
    ts = scored.table.ts if scored and len(scored.table) > 1 else None
    step = float(np.median(np.diff(ts))) if ts is not None else 60_000.0
    current = snapshot.models.current.get(model)
    window = current.window * step if current else 0.0
    margin = int(max(_AROUND * (alert.end - alert.start), window, _MIN_AROUND * step))
    return alert.start - margin, alert.end + margin


def _why(incident: Incident) -> list[components.Node]:
    alert = incident.alert
    if alert.kind == "silent":
        words = f"{alert.reason[0].upper()}{alert.reason[1:]}."
        allowed = f"Silence of {span(round(alert.threshold * 1000))} is allowed."
        return [html.P([html.B(f"{words} "), allowed])]
    excess = alert.score / alert.threshold if alert.threshold else 0.0
    rows: list[list[components.Node]] = []
    ordered = sorted(alert.values, key=lambda name: -(alert.attribution.get(name) or 0.0))
    for feature in ordered:
        share = alert.attribution.get(feature)
        low, high = alert.lower.get(feature), alert.upper.get(feature)
        band = f"{number(low)} to {number(high)}" if low is not None and high is not None else NOTHING
        rows.append(
            [
                alert.name_of(feature),
                html.B(number(alert.values[feature])),
                number(alert.expected.get(feature)),
                band,
                _share(share),
            ]
        )
    told = f"The score reached {number(alert.score)}, {excess:.3g} times the threshold of {number(alert.threshold)}."
    told += f" {alert.rarity[0].upper()}{alert.rarity[1:]}." if alert.rarity else ""
    head = ("Feature", ("Value", "num"), ("Expected", "num"), ("Band", "num"), "Share of the score")
    return [
        html.P([html.B(f"{alert.reason[0].upper()}{alert.reason[1:]}. "), told] if alert.reason else told),
        components.table(head, rows, "The alert came without values."),
    ]


def _share(share: float | None) -> components.Node:
    if share is None:
        return NOTHING
    bar = html.Div(html.Span(style={"width": f"{100 * min(max(share, 0), 1):.0f}%"}), className="meter over")
    return html.Div([bar, html.Span(f"{share:.0%}", className="meter-text")], className="meter-box")


def _facts(snapshot: Snapshot, incident: Incident) -> html.Dl:
    alert = incident.alert
    length = span(alert.end - alert.start) if alert.end > alert.start else "one point"
    silent = alert.kind == "silent"
    scored: list[tuple[str, components.Node]] = [
        ("Confidence", f"{alert.confidence:.0%}, {alert.imputed:,} points of the deciding window filled in"),
        ("Model", f"{alert.model.get('name')}, version {alert.model.get('version')} ({alert.detector})"),
        ("Checksum", html.Code(str(alert.model.get("sha256", ""))[:16])),
    ]
    rows: list[tuple[str, components.Node]] = [
        ("Last event (UTC)" if silent else "From (UTC)", moment(alert.start)),
        ("To (UTC)", f"{moment(alert.end)}{'' if alert.state == 'closed' else ', going on'}"),
        ("Length", length if silent else f"{length}, {alert.points:,} anomalous points"),
        ("Seen", f"{moment(incident.opened)}, {span(snapshot.at - incident.opened)} ago"),
        *([] if silent else scored),
        ("Settings", html.Code(alert.settings_digest[:16] or NOTHING)),
        ("Messages", f"{incident.messages:,}"),
        ("Id", html.Code(alert.id)),
    ]
    if alert.points_ago and alert.values_at is not None:
        rows.insert(
            3, ("Farthest off", f"{moment(alert.values_at)}, {alert.points_ago:,} points before its highest score")
        )
    if alert.interval is not None:
        start, end = (moment(alert.interval[name]) for name in ("start", "end"))
        rows.insert(3, ("Interval (UTC)", f"{start} to {end}: {alert.interval['events']:,} events"))
    if incident.suppressed:
        rows.insert(0, ("Suppressed", incident.suppressed))
    if alert.group and alert.group != alert.id and alert.group in snapshot.incidents.by_id:
        rows.insert(0, ("Part of", components.link("a group of incidents", incident_link(alert.group), "name")))
    return components.facts(rows)


def _neighbours(incident: Incident, points: SeriesPoints, model: str) -> components.Node:
    """The points next to the incident's edges, of its most telling feature."""
    alert = incident.alert
    scored = points.scored.get(model)
    if scored is None or not scored.features:
        return html.P("Its points are not kept any more.", className="empty")
    feature = max(scored.features, key=lambda name: alert.attribution.get(name) or 0.0)
    seen = values_of(points, scored, feature, None, None)
    start, end = int(np.searchsorted(seen.ts, alert.start, "left")), int(np.searchsorted(seen.ts, alert.end, "right"))
    inside = [*range(start, end)]
    if len(inside) > 2 * _NEIGHBOURS:
        inside = inside[:_NEIGHBOURS] + inside[-_NEIGHBOURS:]
    chosen = [*range(max(0, start - _NEIGHBOURS), start), *inside, *range(end, min(len(seen.ts), end + _NEIGHBOURS))]
    scores = dict(zip(scored.table.ts.tolist(), scored.column(feature, "score").tolist(), strict=True))
    rows = []
    for k in chosen:
        ts = int(seen.ts[k])
        where = "before" if ts < alert.start else "after" if ts > alert.end else "in it"
        rows.append([moment(ts), where, number(float(seen.data[k])), number(scores.get(ts))])
    head = ("Time (UTC)", "", (scored.name_of(feature), "num"), ("Score", "num"))
    return components.table(head, rows, "Its points are not kept any more.", className="neighbours")


def _others(snapshot: Snapshot, incident: Incident) -> list[components.Node]:
    """Of the same series before and after, and of others at the same time."""
    alert = incident.alert
    if alert.kind == "group":
        return _members(incident)
    same = [i for i in snapshot.incidents.by_series.get(alert.series, ()) if i.alert.id != alert.id]
    near = [
        other
        for other in snapshot.incidents.newest
        if other.alert.series != alert.series
        and other.alert.start <= alert.end + _SAME_TIME_MS
        and other.alert.end >= alert.start - _SAME_TIME_MS
    ]
    head = ("Severity", "Series", "Since (UTC)")

    def rows(incidents: list[Incident]) -> list[list[components.Node]]:
        return [
            [
                components.severity(i),
                components.link(i.alert.series, incident_link(i.alert.id), "name"),
                moment(i.alert.start),
            ]
            for i in incidents[:_OTHERS]
        ]

    same.sort(key=lambda i: abs(i.alert.start - alert.start))
    return [
        html.H3("Within the hour, on other series"),
        components.table(head, rows(near), "None."),
        html.H3(["Of ", components.link("this series", series_link(alert.series))]),
        components.table(head, rows(same), "None."),
    ]


def _members(incident: Incident) -> list[components.Node]:
    """The incidents of a group."""
    alert = incident.alert
    rows = [
        [str(m["severity"]), components.link(str(m["series"]), incident_link(str(m["id"])), "name")]
        for m in alert.members
    ]
    return [
        html.H3(f"{alert.member_count:,} series at the same time, the most severe first"),
        components.table((("Severity", "num"), "Series"), rows, "None is listed."),
    ]
