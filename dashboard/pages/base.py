"""The interface of a dashboard page. One class in one file is a page; see docs/how-to/page.md."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from dash import html

from eddy.dashboard.parts.address import Query
from eddy.dashboard.parts.theme import Theme
from eddy.dashboard.stores.points import SeriesPoints
from eddy.dashboard.stores.snapshot import Snapshot

Parts = Mapping[str, Mapping[str, Any]]


class Page(ABC):
    """A page: a skeleton that is sent once, and parts of it that are sent again whenever they change.

    Pages of other packages are announced as entry points of the group ``eddy.dashboard_pages``. One instance serves all
    browsers and threads: keep nothing in it.

    Attributes:
        name: of the page; also the CSS class of its content.
        title: its entry in the navigation.
        address: path, such as ``/models``; ``/series/*`` where the rest of the path is the subject of the query.
        place: position in the navigation, lowest first; None = no entry. Eddy's own have 10, 20, 30, 40, 45, 50.
        under: name of the page whose entry is shown as the current one while this page is open; empty = its own.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    address: ClassVar[str]
    place: ClassVar[int | None] = None
    under: ClassVar[str] = ""

    def series(self, snapshot: Snapshot, query: Query) -> str | None:
        """Name the series whose points :meth:`parts` needs; None where it needs none, which is the default.

        Called for every answer; the points of a series are read from Kafka once it has been named, so they may be few
        at first.
        """
        return None

    @abstractmethod
    def skeleton(self, query: Query) -> html.Div:
        """Build what stands still: called once, when a browser opens the page.

        What is to be live needs an ``id``, by which :meth:`parts` finds it.
        """

    @abstractmethod
    def parts(self, snapshot: Snapshot, query: Query, colours: Theme, points: SeriesPoints | None) -> Parts:
        """Build what is live: component id -> the properties to set.

        Called when the collected data have changed and a browser asks, at most once for equal views. Must not wait for
        anything: all that it shows is in ``snapshot``, and in ``points`` where :meth:`series` named a series.
        """
