"""Sources: what comes in from topics that other programs write."""

from __future__ import annotations

from dash import html

from eddy.dashboard.pages.base import Page, Parts
from eddy.dashboard.parts import components
from eddy.dashboard.parts.address import Query
from eddy.dashboard.parts.theme import Theme
from eddy.dashboard.parts.wording import NOTHING, count, moment
from eddy.dashboard.stores.input_sources import InputSourceView
from eddy.dashboard.stores.points import SeriesPoints
from eddy.dashboard.stores.snapshot import Snapshot

_HEAD: tuple[components.Node, ...] = (
    "Source",
    ("Topics", "wrap hide-phone"),
    ("Records/s", "num"),
    ("Records", "num hide-phone"),
    ("Observations", "num hide-phone"),
    ("Series", "num"),
    ("Skipped", "num hide-phone"),
    ("Dead", "wrap"),
    ("Newest record (UTC)", "hide-phone"),
)


class SourcesPage(Page):
    """Sources: what comes in from topics that other programs write."""

    name = "sources"
    title = "Sources"
    address = "/sources"
    place = 45

    def skeleton(self, _: Query) -> html.Div:
        """What stands still."""
        return html.Div(
            [
                html.H1("Sources"),
                html.P(
                    "Topics that other programs write, read by the mappings of the setting 'input'. Counts begin when "
                    "the job starts.",
                    className="dim",
                ),
                html.Section(html.Div(id="sources-table"), className="panel flat"),
            ]
        )

    def parts(self, snapshot: Snapshot, query: Query, colours: Theme, points: SeriesPoints | None) -> Parts:
        """What is live."""
        none = (
            "There are none. 'eddy watch TOPIC' shows what Eddy would make of a topic, and 'eddy input guess' prints a "
            "first mapping."
        )
        rows = [_row(one) for one in snapshot.inputs]
        return {"sources-table": {"children": components.table(_HEAD, rows, none)}}


def _row(one: InputSourceView) -> list[components.Node]:
    muted = html.Span("mostly dead: letters are counted, not written", className="said") if one.muted else None
    return [
        [html.Span(one.name, className="name"), muted],
        ", ".join(one.topics),
        NOTHING if one.per_second is None else count(one.per_second),
        f"{one.records:,}",
        f"{one.observations:,}",
        f"{one.series:,}",
        f"{one.skipped:,}",
        ", ".join(f"{reason} {number:,}" for reason, number in one.dead.items()) or "none",
        moment(one.newest),
    ]
