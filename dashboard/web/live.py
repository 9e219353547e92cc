"""The answers to ``/live``: made once per look at the sources, however many browsers ask."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from eddy.dashboard.pages.catalog import navigation, pages
from eddy.dashboard.parts import components
from eddy.dashboard.parts.address import Query
from eddy.dashboard.parts.theme import Theme, theme
from eddy.dashboard.stores.collector import Collector
from eddy.dashboard.stores.snapshot import Snapshot
from eddy.dashboard.web.encoding import Body, encode

_KEPT = 256  # answers in memory
_LOCKS = 64  # for all views together: addresses that are asked once leave nothing behind
_FIRST_WAIT_SECONDS = 0.4  # for the points of a series that nobody looked at so far


class Live:
    """Answers by view. Any thread may ask; of several that ask for the same at once, one does the work."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._bodies: OrderedDict[tuple[object, ...], tuple[tuple[int, int], Body]] = OrderedDict()
        self._busy = [threading.Lock() for _ in range(_LOCKS)]
        self._lock = threading.Lock()

    def answer(self, query: Query, theme_name: str) -> Body:
        """The parts of a page as of now."""
        key = (*query.key, theme_name)
        with self._busy[hash(key) % _LOCKS]:
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
                    self._bodies.popitem(last=False)
            return body

    def _points(self, query: Query) -> Any:
        """The points that a page is about, if it is about any."""
        page = pages().get(query.page)
        snapshot = self._collector.snapshot
        series = page.series(snapshot, query) if page is not None else None
        if series is None:
            return None
        known = snapshot.knows(series)  # for a name that nobody has sent no thread waits
        return self._collector.watched_series.ask(series, _FIRST_WAIT_SECONDS if known else 0.0, known)

    def _parts(self, snapshot: Snapshot, query: Query, colours: Theme, points: Any) -> dict[str, Mapping[str, Any]]:
        shell: dict[str, Mapping[str, Any]] = {
            "nav": {"children": _navigation(query.page)},
            "sources": {"children": components.sources(snapshot.sources)},
            "away": {"children": components.away(snapshot.sources)},
        }
        page = pages().get(query.page)
        return {**shell, **page.parts(snapshot, query, colours, points)} if page is not None else shell


def _navigation(current: str) -> list[components.Node]:
    page = pages().get(current)
    shown = page.under or current if page is not None else ""
    return [components.link(p.title, p.address, "on" if name == shown else "") for name, p in navigation()]
