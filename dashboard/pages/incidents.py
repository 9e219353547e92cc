"""All incidents that are known, newest first, with search and filters."""

from __future__ import annotations

from dash import html

from eddy.dashboard.pages.base import Page, Parts
from eddy.dashboard.parts import components
from eddy.dashboard.parts.address import Query
from eddy.dashboard.parts.theme import Theme
from eddy.dashboard.stores.incidents import SEVERITIES, Incident
from eddy.dashboard.stores.points import SeriesPoints
from eddy.dashboard.stores.snapshot import Snapshot

PAGE = 50
_STATES = ("", "attention", "open", "closed", "suppressed")


class IncidentsPage(Page):
    """All incidents that are known, newest first, with search and filters."""

    name = "incidents"
    title = "Incidents"
    address = "/incidents"
    place = 30

    def skeleton(self, query: Query) -> html.Div:
        """What stands still."""
        return components.search_page("Incidents", query.text("q"), "incident", ("states", "words"))

    def parts(self, snapshot: Snapshot, query: Query, colours: Theme, points: SeriesPoints | None) -> Parts:
        """What is live."""
        state, word = query.text("state", "", _STATES), query.text("severity", "", ("", *SEVERITIES))
        wanted = query.text("q").strip().lower()
        found = [
            incident
            for incident in snapshot.incidents.newest
            if _fits(incident, state)
            and word in ("", incident.alert.severity_word)
            and (not wanted or wanted in incident.alert.series.lower())
        ]
        page, pages = components.page_of(query, len(found), PAGE)
        names = {"": "all", "attention": "not looked at"}
        return {
            "incident-states": {
                "children": components.chips("state", [(s, names.get(s, s)) for s in _STATES], state, "state")
            },
            "incident-words": {
                "children": components.chips(
                    "severity", [("", "any severity"), *((w, w) for w in SEVERITIES)], word, "severity"
                )
            },
            "incident-table": {
                "children": components.table(
                    components.INCIDENT_HEAD,
                    components.incident_rows(found[(page - 1) * PAGE : page * PAGE]),
                    "No incident fits.",
                )
            },
            "incident-pages": {"children": components.pager(len(found), page, pages, PAGE)},
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
