"""The answers to ``/live``: made once per look at the sources, however many browsers ask."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from eddy.dashboard.pages import dead_letters, incident, incidents, models, overview, series, series_list
from eddy.dashboard.parts import components
from eddy.dashboard.parts.address import Query
from eddy.dashboard.parts.theme import Theme, theme
from eddy.dashboard.stores.collector import Collector
from eddy.dashboard.stores.snapshot import Snapshot
from eddy.dashboard.web.encoding import Body, encode

_KEPT = 256  # answers in memory
_FIRST_WAIT_SECONDS = 0.4  # for the points of a series that nobody looked at so far

PAGES: Mapping[str, Any] = {
    "overview": overview,
    "series-list": series_list,
    "series": series,
    "incidents": incidents,
    "incident": incident,
    "models": models,
    "dead-letters": dead_letters,
}
_NAVIGATION = (
    ("Overview", "/", ("overview",)),
    ("Series", "/series", ("series-list", "series")),
    ("Incidents", "/incidents", ("incidents", "incident")),
    ("Models", "/models", ("models",)),
    ("Dead letters", "/dead-letters", ("dead-letters",)),
)


class Live:
    """Answers by view. Any thread may ask; of several that ask for the same at once, one does the work."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._bodies: OrderedDict[tuple[object, ...], tuple[tuple[int, int], Body]] = OrderedDict()
        self._busy: dict[tuple[object, ...], threading.Lock] = {}
        self._lock = threading.Lock()

    def answer(self, query: Query, theme_name: str) -> Body:
        """The parts of a page as of now."""
        key = (*query.key, theme_name)
        with self._lock:
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            points = self._points(query)
            snapshot = self._collector.snapshot
            stamp = (snapshot.number, id(points))
            with self._lock:
                known = self._bodies.get(key)
            if known is not None and known[0] == stamp:
                return known[1]
            body = encode(self._parts(snapshot, query, theme(theme_name), points))
            with self._lock:
                self._bodies[key] = (stamp, body)
                self._bodies.move_to_end(key)
                while len(self._bodies) > _KEPT:
                    old, _ = self._bodies.popitem(last=False)
                    self._busy.pop(old, None)
            return body

    def _points(self, query: Query) -> Any:
        """The points that a page is about, if it is about any."""
        if query.page == "series":
            return self._collector.watched_series.ask(query.subject, _FIRST_WAIT_SECONDS)
        if query.page == "incident":
            found = self._collector.snapshot.incidents.by_id.get(query.subject)
            return self._collector.watched_series.ask(found.alert.series, _FIRST_WAIT_SECONDS) if found else None
        return None

    def _parts(self, snapshot: Snapshot, query: Query, colours: Theme, points: Any) -> dict[str, Mapping[str, Any]]:
        shell: dict[str, Mapping[str, Any]] = {
            "nav": {"children": _navigation(query.page)},
            "sources": {"children": components.sources(snapshot.sources)},
            "away": {"children": components.away(snapshot.sources)},
        }
        page = PAGES.get(query.page)
        if page is None:
            return shell
        more = (points,) if query.page in ("series", "incident") else ()
        return {**shell, **page.parts(snapshot, query, colours, *more)}


def _navigation(page: str) -> list[components.Node]:
    return [components.link(name, href, "on" if page in pages else "") for name, href, pages in _NAVIGATION]
