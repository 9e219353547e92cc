"""All incidents that are known, newest first, with search and filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import dcc, html

from dashboard import blocks
from dashboard.incident_store import WORDS, Incident
from dashboard.query import Query
from dashboard.snapshot import Snapshot
from dashboard.theme import Theme

PAGE = 50
_STATES = ("", "attention", "open", "closed", "suppressed")


def skeleton(query: Query) -> html.Div:
    """What stands still."""
    search = dcc.Input(
        id="search",
        type="search",
        value=query.text("q"),
        placeholder="Search series",
        autoComplete="off",
        debounce=False,
    )
    return html.Div(
        [
            html.H1("Incidents"),
            html.Div(
                [
                    html.Label([html.Span("Search series", className="sr-only"), search], className="search"),
                    html.Div(id="incident-states"),
                    html.Div(id="incident-words"),
                ],
                className="toolbar",
            ),
            html.Section(html.Div(id="incident-table"), className="panel flat"),
            html.Div(id="incident-pages", className="pager"),
        ]
    )


def parts(snapshot: Snapshot, query: Query, _: Theme) -> dict[str, Mapping[str, Any]]:
    """What is live."""
    state, word = query.text("state", "", _STATES), query.text("severity", "", ("", *WORDS))
    wanted = query.text("q").strip().lower()
    found = [
        incident
        for incident in snapshot.incidents.newest
        if _fits(incident, state)
        and word in ("", incident.alert.severity_word)
        and (not wanted or wanted in incident.alert.series.lower())
    ]
    pages = max(1, -(-len(found) // PAGE))
    page = min(max(query.whole("page", 1) or 1, 1), pages)
    names = {"": "all", "attention": "not looked at"}
    return {
        "incident-states": {"children": blocks.chips("state", [(s, names.get(s, s)) for s in _STATES], state, "state")},
        "incident-words": {
            "children": blocks.chips("severity", [("", "any severity"), *((w, w) for w in WORDS)], word, "severity")
        },
        "incident-table": {
            "children": blocks.table(
                blocks.INCIDENT_HEAD, blocks.incident_rows(found[(page - 1) * PAGE : page * PAGE]), "No incident fits."
            )
        },
        "incident-pages": {"children": blocks.pager(len(found), page, pages, PAGE)},
    }


def _fits(incident: Incident, state: str) -> bool:
    match state:
        case "attention":
            return incident.needs_attention
        case "open":
            return incident.is_open
        case "closed":
            return not incident.is_open
        case "suppressed":
            return bool(incident.suppressed)
    return True
