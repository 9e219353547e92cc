"""All series: search, filter, sort; the server pages, so that ten thousand cost no more than fifty."""

from __future__ import annotations

from typing import Any

from dash import html

from eddy.dashboard.pages.base import Page, Parts
from eddy.dashboard.parts import components
from eddy.dashboard.parts.address import Query
from eddy.dashboard.parts.theme import Theme
from eddy.dashboard.parts.wording import moment, number
from eddy.dashboard.stores.points import SeriesPoints
from eddy.dashboard.stores.series_table import STATES, SeriesView
from eddy.dashboard.stores.snapshot import Snapshot

PAGE = 50
_SORTS = ("ratio", "series", "state", "value", "ts", "model")
_MAX_MODELS = 8  # as buttons; with more, search finds them


class SeriesListPage(Page):
    """All series: search, filter, sort; the server pages, so that ten thousand cost no more than fifty."""

    name = "series-list"
    title = "Series"
    address = "/series"
    place = 20

    def skeleton(self, query: Query) -> html.Div:
        """What stands still."""
        return components.search_page("Series", query.text("q"), "series", ("states", "models"))

    def parts(self, snapshot: Snapshot, query: Query, colours: Theme, points: SeriesPoints | None) -> Parts:
        """What is live."""
        view = snapshot.series
        state, model = query.text("state", "", ("", *STATES)), query.text("model")
        by, down = query.text("sort", "ratio", _SORTS), query.text("order", "down", ("up", "down")) == "down"
        if by == "series" and "order" not in query.values:
            down = False
        chosen = view.order(view.select(query.text("q"), state, model), by, down)
        page, pages = components.page_of(query, len(chosen), PAGE)
        shown = chosen[(page - 1) * PAGE : page * PAGE]
        counts = view.counts()
        states = [("", f"all {len(view.names):,}"), *((name, f"{name} {count:,}") for name, count in counts.items())]
        states = [
            states[0],
            *sorted(states[1:], key=lambda s: ("open", "anomalous", "unscored", "ok", "warming", "silent").index(s[0])),
        ]
        models = [("", "all models"), *((name, name) for name in sorted(view.models)[:_MAX_MODELS])]
        return {
            "series-states": {"children": components.chips("state", states, state, "state")},
            "series-models": {
                "children": components.chips("model", models, model, "model") if len(view.models) > 1 else None
            },
            "series-table": {"children": _table(view, shown, by, down)},
            "series-pages": {"children": components.pager(len(chosen), page, pages, PAGE)},
        }


def _table(view: SeriesView, shown: Any, by: str, down: bool) -> components.Node:
    ratio = view.ratio()
    rows = [
        [
            components.series_name(view.names[k]),
            components.state(STATES[view.state[k]]),
            _meter(float(ratio[k])),
            _value(view, k),
            components.sparkline(view.spark[k]),
            moment(int(view.ts[k])),
            view.models[view.model[k]] if view.models else "",
        ]
        for k in shown.tolist()
    ]
    head = [
        _sorter("Series", "series", by, down),
        _sorter("State", "state", by, down),
        (_sorter("Score / threshold", "ratio", by, down), "hide-phone"),
        (_sorter("Value", "value", by, down), "num"),
        ("", "hide-phone"),
        (_sorter("Newest point (UTC)", "ts", by, down), "hide-phone"),
        (_sorter("Model", "model", by, down), "hide-phone"),
    ]
    return components.table(head, rows, "No series fits.")


def _sorter(text: str, name: str, by: str, down: bool) -> html.Button:
    chosen = name == by
    turned = ("up" if down else "down") if chosen else ("up" if name == "series" else "down")
    mark = (" ↓" if down else " ↑") if chosen else ""
    return html.Button(
        text + mark,
        type="button",
        className="sort on" if chosen else "sort",
        **{"data-set": f"sort={name}&order={turned}"},
    )


def _meter(ratio: float) -> html.Div:
    """How far the score is on its way to the threshold, which is the line at two thirds."""
    known = ratio == ratio  # noqa: PLR0124  NaN
    width = min(100.0, 100 * ratio / 1.5) if known else 0.0
    kind = "over" if known and ratio > 1 else ""
    return html.Div(
        [
            html.Div(html.Span(style={"width": f"{width:.1f}%"}), className=f"meter {kind}".strip()),
            html.Span(f"{number(ratio, 3)}×" if known else "no score", className="meter-text"),
        ],
        className="meter-box",
    )


def _value(view: SeriesView, k: int) -> str:
    more = int(view.features[k]) - 1
    return number(float(view.value[k]), 5) + (f" +{more}" if more > 0 else "")
