"""Pages by name and by address: Eddy's own and those that other packages announce."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from urllib.parse import unquote

from eddy.dashboard.pages.base import Page
from eddy.dashboard.parts.address import Query
from eddy.plugins import ClassRegistry

log = logging.getLogger(__name__)

_PAGES = "eddy.dashboard.pages"

DASHBOARD_PAGES: ClassRegistry[Page] = ClassRegistry(
    "dashboard page",
    "eddy.dashboard_pages",
    "eddy.dashboard.pages.base:Page",
    "name",
    {
        "overview": f"{_PAGES}.overview:OverviewPage",
        "series-list": f"{_PAGES}.series_list:SeriesListPage",
        "series": f"{_PAGES}.series:SeriesPage",
        "incidents": f"{_PAGES}.incidents:IncidentsPage",
        "incident": f"{_PAGES}.incident:IncidentPage",
        "models": f"{_PAGES}.models:ModelsPage",
        "sources": f"{_PAGES}.sources:SourcesPage",
        "dead-letters": f"{_PAGES}.dead_letters:DeadLettersPage",
    },
)


@cache
def pages() -> Mapping[str, Page]:
    """Every page by its name. One that cannot be used, or whose address another has, is logged and left out."""
    found: dict[str, Page] = {}
    taken: dict[str, str] = {}
    usable = dict(DASHBOARD_PAGES.usable())
    for name in sorted(usable, key=lambda name: (name not in DASHBOARD_PAGES.shipped, name)):
        try:
            page = usable[name]()
        except TypeError as error:  # a method of the interface is missing
            log.warning("dashboard page %r is left out: %s", name, error)
            continue
        if page.address in taken:
            log.warning(
                "dashboard page %r is left out: page %r has its address %s", name, taken[page.address], page.address
            )
            continue
        taken[page.address] = name
        found[name] = page
    return found


def read_address(path: str, values: Mapping[str, str]) -> Query:
    """Find the page of a path such as ``/series/pump%207``; ``unknown`` where none has it."""
    first, _, rest = path.strip("/").partition("/")
    wanted = f"/{first}/*" if rest else f"/{first}"
    for name, page in pages().items():
        if page.address == wanted:
            return Query(name, unquote(rest), values)
    return Query("unknown", "", values)


def navigation() -> list[tuple[str, Page]]:
    """Name and page of each entry, in order."""
    entries = [(name, page) for name, page in pages().items() if page.place is not None]
    return sorted(entries, key=lambda entry: (entry[1].place or 0, entry[0]))
