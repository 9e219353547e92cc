"""Build the pieces that pages are made of. Text stays text: React escapes it, and nothing here is parsed as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from dash import dcc, html
from numpy.typing import NDArray

from eddy.dashboard.parts.address import Query, incident_link, series_link
from eddy.dashboard.parts.wording import moment, number
from eddy.dashboard.sources.availability import Availability
from eddy.dashboard.stores.incidents import Incident

Node = Any  # a Dash component, text, or a list of them

GRAPH_OPTIONS = {"displayModeBar": False, "scrollZoom": False, "doubleClick": "autosize", "responsive": True}


def panel(title: str, *children: Node, id: str = "", aside: Node = None, className: str = "") -> html.Section:
    """Return a titled box. Live updates replace its content if it has an ``id``."""
    head = html.Header([html.H2(title), html.Div(aside, className="aside")], className="panel-head")
    body = html.Div(list(children), className="panel-body", **({"id": id} if id else {}))
    return html.Section([head, body], className=f"panel {className}".strip())


def graph(id: str, className: str) -> html.Div:
    """Return a place for a chart, of fixed height so that nothing moves when the chart arrives."""
    empty = {"data": [], "layout": {"xaxis": {"visible": False}, "yaxis": {"visible": False},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}}  # fmt: skip
    figure = dcc.Graph(id=id, figure=empty, config=GRAPH_OPTIONS, responsive=True, style={"height": "100%"})
    return html.Div(figure, className=f"graph {className}")


def tile(name: str, *children: Node, id: str = "", tone: str = "") -> html.Div:
    """Return a box with a name and one figure."""
    return html.Div([html.Div(name, className="tile-name"), *children], className=f"tile {tone}".strip())


def severity(incident: Incident) -> html.Span:
    """Show a severity as colour, level and number: never as colour alone."""
    alert = incident.alert
    return html.Span(
        [html.Span(alert.severity_word, className="sev-word"), html.Span(str(alert.severity), className="sev-number")],
        className=f"sev sev-{alert.severity_word}",
        title=f"severity {alert.severity} of 100",
    )


def state(name: str) -> html.Span:
    """Show the state of a series or incident."""
    return html.Span(name, className=f"state state-{name}")


def link(text: Node, href: str, className: str = "") -> dcc.Link:
    """Return a link within the dashboard."""
    return dcc.Link(text, href=href, className=className)


def series_name(series: str, className: str = "name") -> dcc.Link:
    """Show a series' id as a link to its page."""
    return link(series or "(no name)", series_link(series), className)


def chips(name: str, options: Iterable[tuple[str, Node]], chosen: str, label: str) -> html.Div:
    """Return buttons of which one is chosen; pressing one puts ``name=value`` into the address."""
    buttons = [
        html.Button(
            text,
            type="button",
            className="chip on" if value == chosen else "chip",
            **{"data-set": f"{name}={value}", "aria-pressed": "true" if value == chosen else "false"},
        )
        for value, text in options
    ]
    return html.Div(buttons, className="chips", role="group", **{"aria-label": label})


def table(head: Sequence[Node], rows: Sequence[Sequence[Node]], empty: str, className: str = "") -> html.Div:
    """Return a table that scrolls sideways if it is too wide. A heading may be a pair: (text, class of its column)."""
    heads = [h if isinstance(h, tuple) else (h, "") for h in head]
    if not rows:
        return html.P(empty, className="empty")
    body = [
        html.Tr([html.Td(cell, className=kind) for cell, (_, kind) in zip(row, heads, strict=True)]) for row in rows
    ]
    return html.Div(
        html.Table(
            [
                html.Thead(html.Tr([html.Th(text, className=kind, scope="col") for text, kind in heads])),
                html.Tbody(body),
            ],
            className=className,
        ),
        className="scroll",
    )


def facts(pairs: Iterable[tuple[str, Node]]) -> html.Dl:
    """Return a list of names with their values."""
    return html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in pairs], className="facts")


def shares(parts: Mapping[str, int], kind: str) -> html.Div:
    """Show counts as one bar with a legend beneath."""
    total = sum(parts.values()) or 1
    bar = [
        html.Span(className=f"{kind}-{name}", style={"width": f"{100 * count / total:.2f}%"})
        for name, count in parts.items()
        if count
    ]
    legend = [
        html.Span([html.I(className=f"dot {kind}-{name}"), html.B(f"{count:,}"), f" {name}"], className="legend-item")
        for name, count in parts.items()
    ]
    return html.Div([html.Div(bar, className="bar"), html.Div(legend, className="legend")])


def sparkline(values: NDArray[np.float32], width: int = 96, height: int = 22) -> html.Div:
    """Show the newest values as a small line: a mask over the text colour, so that it fits either theme."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return html.Div(className="spark")
    lowest, highest = float(known.min()), float(known.max())
    scale = (height - 4) / (highest - lowest) if highest > lowest else 0.0
    step = width / (len(values) - 1)
    places = [
        f"{k * step:.1f} {height - 2 - (float(v) - lowest) * scale:.1f}" for k, v in enumerate(values) if np.isfinite(v)
    ]
    svg = (
        (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'>"
            f"<polyline points='{' '.join(places)}' fill='none' stroke='black' stroke-width='1.4'/></svg>"
        )
        .replace("<", "%3C")
        .replace(">", "%3E")
        .replace("#", "%23")
    )
    mask = f'url("data:image/svg+xml,{svg}")'
    return html.Div(className="spark on", style={"maskImage": mask, "WebkitMaskImage": mask})


def incident_rows(incidents: Sequence[Incident]) -> list[list[Node]]:
    """Return a table row per incident, with the columns of :data:`INCIDENT_HEAD`."""
    rows: list[list[Node]] = []
    for incident in incidents:
        alert = incident.alert
        rows.append(
            [
                severity(incident),
                [link(alert.series, incident_link(alert.id), "name"), verdict(incident)],
                state(alert.state if alert.state == "closed" else "open"),
                moment(alert.start),
                f"{alert.points:,}",
                seen_of(incident),
                alert.detector,
            ]
        )
    return rows


INCIDENT_HEAD: tuple[Node, ...] = (
    "Severity",
    "Series",
    ("State", "hide-phone"),
    "Since (UTC)",
    ("Points", "num hide-phone"),
    ("At its highest", "hide-phone wrap"),
    ("Detector", "hide-phone"),
)


def verdict(incident: Incident) -> Node:
    """Show the feedback on an incident, and whether its alert was suppressed."""
    parts = [incident.verdict.words()] if incident.verdict and incident.verdict.words() else []
    if incident.suppressed:
        parts.append(f"suppressed ({incident.suppressed})")
    return html.Span(", ".join(parts), className="said") if parts else None


def seen_of(incident: Incident) -> str:
    """Say why an incident's alert came; where the message does not, describe the feature that contributed most."""
    alert = incident.alert
    if alert.reason:
        return alert.reason
    if not alert.values:
        return ""
    share = alert.attribution
    feature = max(alert.values, key=lambda name: share.get(name) or 0.0)
    shown = f"{number(alert.values[feature])}"
    if (expected := alert.expected.get(feature)) is not None:
        shown += f", expected {number(expected)}"
    return shown if len(alert.values) == 1 else f"{feature} {shown}"


def search_page(title: str, searched: str, name: str, chips: Sequence[str]) -> html.Div:
    """Return the fixed parts of a page with a search: ``NAME-table``, ``NAME-pages``, a place per row of chips."""
    search = dcc.Input(
        id="search", type="search", value=searched, placeholder="Search series", autoComplete="off", debounce=False
    )
    label = html.Label([html.Span("Search series", className="sr-only"), search], className="search")
    return html.Div(
        [
            html.H1(title),
            html.Div([label, *(html.Div(id=f"{name}-{chip}") for chip in chips)], className="toolbar"),
            html.Section(html.Div(id=f"{name}-table"), className="panel flat"),
            html.Div(id=f"{name}-pages", className="pager"),
        ]
    )


def page_of(query: Query, found: int, length: int) -> tuple[int, int]:
    """Return the number of the requested page, from 1 and within the pages that exist, and how many pages there are."""
    pages = max(1, -(-found // length))
    return min(max(query.whole("page", 1) or 1, 1), pages), pages


def pager(found: int, page: int, pages: int, length: int) -> Node:
    """Show the position in a long list, with links to the previous and next page."""
    first = min(found, (page - 1) * length + 1)
    shown = html.Span(f"{first:,}–{min(found, page * length):,} of {found:,}", className="dim")
    if pages == 1:
        return shown

    def button(text: str, to: int, off: bool) -> html.Button:
        return html.Button(text, type="button", className="button small", disabled=off, **{"data-set": f"page={to}"})

    return [shown, button("Previous", page - 1, page == 1), button("Next", page + 1, page == pages)]


def sources(states: Sequence[Availability]) -> html.Div:
    """Show which sources answer."""
    items = []
    for source in states:
        status = {True: "ok", False: "away", None: "waiting"}[source.ok]
        items.append(
            html.Span(
                [html.I(className=f"dot source-{status}"), source.name],
                className=f"source {status}",
                title=f"{source.name} at {source.where}: {status}",
            )
        )
    return html.Div(items, className="sources")


def away(states: Sequence[Availability]) -> Node:
    """Return a line for each source that is away, with the time since when."""
    return [
        html.Div(
            [
                html.B(f"{source.name} is away"),
                f" since {moment(source.since)} UTC ({source.where}: {source.reason}). ",
                "Its data until then is shown; the dashboard goes on by itself when it is back.",
            ],
            className="away",
        )
        for source in states
        if source.ok is False
    ]
