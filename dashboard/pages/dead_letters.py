"""Dead letters: what could not be used and why, and another try."""

from __future__ import annotations

import json

from dash import html

from eddy.dashboard.pages.base import Page, Parts
from eddy.dashboard.parts import components
from eddy.dashboard.parts.address import Query
from eddy.dashboard.parts.theme import Theme
from eddy.dashboard.parts.wording import moment, size
from eddy.dashboard.stores.dead_letters import DeadLetter
from eddy.dashboard.stores.points import SeriesPoints
from eddy.dashboard.stores.snapshot import Snapshot


class DeadLettersPage(Page):
    """Dead letters: what could not be used and why, and another try."""

    name = "dead-letters"
    title = "Dead letters"
    address = "/dead-letters"
    place = 50

    def skeleton(self, _: Query) -> html.Div:
        """What stands still."""
        return html.Div(
            [
                html.H1("Dead letters"),
                html.P(
                    "Observations that could not be used. A replay puts them back on the observations topic, each "
                    "once.",
                    className="dim",
                ),
                html.Div(id="letter-total", className="toolbar"),
                html.Div(id="letter-reasons", className="stack"),
            ]
        )

    def parts(self, snapshot: Snapshot, query: Query, colours: Theme, points: SeriesPoints | None) -> Parts:
        """What is live."""
        dead_letters = snapshot.dead_letters
        total = sum(n for topic, n in snapshot.totals.items() if topic.endswith("dlq"))
        told = f"{max(total, dead_letters.read):,} letters" + (
            f", the newest {dead_letters.read:,} of them counted here" if total > dead_letters.read else ""
        )
        listed = [
            _reason(name, count, dead_letters.samples.get(name, ())) for name, count in dead_letters.reasons.items()
        ]
        none = html.P("There are none.", className="empty")
        return {
            "letter-total": {
                "children": [html.Span(told), _replay("", "Replay all", "Send all dead letters again?")]
                if dead_letters.read
                else None
            },
            "letter-reasons": {"children": listed or none},
        }


def _replay(reason: str, text: str, question: str) -> html.Button:
    return html.Button(
        text,
        type="button",
        className="button small",
        **{"data-action": "replay", "data-body": json.dumps({"reason": reason}), "data-confirm": question},
    )


def _reason(name: str, count: int, samples: tuple[DeadLetter, ...]) -> html.Section:
    rows = [
        [
            moment(dead_letter.at),
            dead_letter.place,
            dead_letter.key,
            dead_letter.detail,
            html.Code(dead_letter.value),
            size(dead_letter.size),
        ]
        for dead_letter in samples
    ]
    head = (
        "Time (UTC)",
        ("Where", "hide-phone"),
        "Series",
        "Detail",
        ("Message", "hide-phone"),
        ("Size", "num hide-phone"),
    )
    question = f"Send the letters with reason {name} again?"
    return components.panel(
        f"{name}: {count:,}",
        components.table(head, rows, "No sample.", className="samples"),
        aside=_replay(name, "Replay these", question),
    )
