"""Published models: what is in use, earlier versions to go back to, and what the job said."""

from __future__ import annotations

import json
from typing import Any

from dash import html

from eddy.dashboard.pages.base import Page, Parts
from eddy.dashboard.parts import components
from eddy.dashboard.parts.address import Query
from eddy.dashboard.parts.theme import Theme
from eddy.dashboard.parts.wording import NOTHING, moment, number, size, span
from eddy.dashboard.stores.models import ModelVersion
from eddy.dashboard.stores.points import SeriesPoints
from eddy.dashboard.stores.snapshot import Snapshot

_EVENTS_SHOWN = 30
_VERSIONS_SHOWN = 20


class ModelsPage(Page):
    """Published models: what is in use, earlier versions to go back to, and what the job said."""

    name = "models"
    title = "Models"
    address = "/models"
    place = 40

    def skeleton(self, _: Query) -> html.Div:
        """What stands still."""
        return html.Div(
            [
                html.H1("Models"),
                html.Div(id="model-list", className="stack"),
                components.panel("What the job and the trainer said", id="model-events"),
            ]
        )

    def parts(self, snapshot: Snapshot, query: Query, colours: Theme, points: SeriesPoints | None) -> Parts:
        """What is live."""
        models = snapshot.models
        listed = [
            _model(name, versions, models.current.get(name), models.refusal(name), models.off_interval(name))
            for name, versions in models.versions.items()
        ]
        none = html.P(
            "No model is published. 'eddy train' makes one, 'eddy models publish' publishes it.", className="empty"
        )
        return {"model-list": {"children": listed or none}, "model-events": {"children": _events(snapshot)}}


def _model(
    name: str, versions: tuple[ModelVersion, ...], current: ModelVersion | None, refused: str, off_interval: str = ""
) -> html.Section:
    shown = current or versions[0]
    every = f"every {span(shown.interval_ms)}" if shown.interval_ms else "points are counted"
    rows = [
        ("Judges", " ".join(shown.series)),
        ("Features", ", ".join(shown.features)),
        ("Detector", f"{shown.detector}, windows of {shown.window:,} points, {every}"),
        ("Threshold", ", ".join(f"{key} {_plain(value)}" for key, value in shown.threshold.items()) or NOTHING),
        ("Checksum", html.Code(shown.sha256[:16])),
    ]
    if off_interval:
        rows.insert(0, ("Other interval", f"{off_interval}. Train with the interval of the series."))
    if refused:
        rows.insert(0, ("Refused", f"the job did not take this version: {refused}"))
    head = ("Version", "Published (UTC)", "Metrics", ("Size", "num hide-phone"), ("", "num"))
    table = [
        [
            str(v.version),
            moment(v.published),
            _metrics(v),
            size(v.size) if v.size else NOTHING,
            _back(v, current, refused),
        ]
        for v in versions[:_VERSIONS_SHOWN]
    ]
    word = html.Span(
        f"version {current.version} {'refused' if refused else current.stage or 'in use'}" if current else "withdrawn",
        className=f"state state-{'anomalous' if refused else 'ok'}" if current else "state",
    )
    return components.panel(name, components.facts(rows), components.table(head, table, ""), aside=word)


def _back(version: ModelVersion, current: ModelVersion | None, refused: str) -> components.Node:
    if current and version.version == current.version:
        return html.Span("refused" if refused else "in use", className="dim")
    body = json.dumps({"name": version.name, "version": version.version})
    question = f"Bring back version {version.version} of {version.name}? It is published again under a new number."
    return html.Button(
        "Roll back to this",
        type="button",
        className="button small",
        **{"data-action": "rollback", "data-body": body, "data-confirm": question},
    )


def _metrics(version: ModelVersion) -> str:
    told = [f"{key} {_plain(value)}" for key, value in version.metrics.items() if not isinstance(value, dict | list)]
    return ", ".join(told[:6]) or NOTHING


def _plain(value: Any) -> str:
    return number(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)[:80]


def _events(snapshot: Snapshot) -> components.Node:
    rows = [
        [
            moment(event["ts"]),
            str(event["event"]),
            str(event.get("model", "")),
            str(event.get("version", "")),
            str(event.get("reason", ""))[:300],
        ]
        for event in snapshot.models.events[:_EVENTS_SHOWN]
    ]
    return components.table(("Time (UTC)", "Event", "Model", ("Version", "num"), "Reason"), rows, "Nothing yet.")
