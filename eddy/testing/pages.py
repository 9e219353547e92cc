"""The contract of dashboard pages as a test class: subclass it in a test file, and pytest runs every check.

.. code-block:: python

    from eddy.testing.pages import PageContract

    class TestMine(PageContract):
        name = "mine"

The page is found by its name, as the dashboard finds it: as an entry point of the group ``eddy.dashboard_pages``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
import pytest

from eddy.alert import Alert, AlertState, incident_id, severity_level
from eddy.dashboard.pages.base import Page, Parts
from eddy.dashboard.pages.catalog import pages, read_address
from eddy.dashboard.parts.address import Query
from eddy.dashboard.parts.theme import THEMES, theme
from eddy.dashboard.records import SeriesRow
from eddy.dashboard.sources.availability import Availability
from eddy.dashboard.stores.dead_letters import DeadLetterStore
from eddy.dashboard.stores.incidents import IncidentStore
from eddy.dashboard.stores.models import ModelStore
from eddy.dashboard.stores.points import SeriesPoints
from eddy.dashboard.stores.rates import Rates
from eddy.dashboard.stores.series_table import SeriesTable
from eddy.dashboard.stores.snapshot import Snapshot
from eddy.dashboard.web.encoding import encode

__all__ = ["NASTY", "PageContract", "toy_snapshot"]

NOW = 1_700_000_000_000  # epoch ms
NASTY = "<script>alert('x')</script> & \"quoted\""  # a series of this name must be shown as text
_SHELL_IDS = {"nav", "sources", "away", "offline", "page", "shell", "theme", "url"}  # the dashboard's own


def toy_snapshot(filled: bool = True) -> Snapshot:
    """What the dashboard knows at one moment: three series, one of them with an open incident; or nothing at all."""
    table, incidents, rates = SeriesTable(silent_seconds=60), IncidentStore(100), Rates()
    totals: dict[str, int] = {}
    if filled:
        names = ("pump-1", "pump-2", NASTY)
        table.put([SeriesRow(name, NOW, {"value": 1.0}, 0.5, 2.0, "ok", "m", NOW) for name in names])
        incidents.put(_alert("pump-1", "open"))
        incidents.put(_alert(NASTY, "closed"))
        totals = {"eddy.observations": 1000, "eddy.alerts": 2}
    return Snapshot(
        number=1,
        at=NOW,
        series=table.view(NOW),
        incidents=incidents.view(),
        models=ModelStore().view(),
        dead_letters=DeadLetterStore().view(),
        rates=rates.view(),
        totals=totals,
        job=None,
        sources=(Availability("Redis", "localhost:6379", True, NOW), Availability("Kafka", "localhost:9092", None)),
    )


class PageContract:
    """What every page has to keep.

    Attributes:
        name: of the page.
        subject: what the page is about, where its address ends in ``*``: a series, or an incident's id.
    """

    name: ClassVar[str]
    subject: ClassVar[str] = "pump-1"

    @property
    def page(self) -> Page:
        """The page, as the dashboard has it."""
        assert self.name in pages(), f"page {self.name!r} is not found; there are {', '.join(pages())}"
        return pages()[self.name]

    def query(self, **values: str) -> Query:
        """A query for the page."""
        return Query(self.name, self.subject if self.page.address.endswith("*") else "", values)

    def parts(self, snapshot: Snapshot, colours: str = THEMES[0], **values: str) -> Parts:
        """The live parts on some data; the points of the series that the page names are empty."""
        query = self.query(**values)
        series = self.page.series(snapshot, query)
        return self.page.parts(snapshot, query, theme(colours), None if series is None else SeriesPoints(series))

    def test_address_leads_to_the_page(self) -> None:
        address = self.page.address
        assert address.startswith("/")
        assert address.count("/") == (2 if address.endswith("/*") else 1)
        assert read_address(address.replace("*", "pump-1"), {}).page == self.name

    def test_entry_in_the_navigation_exists(self) -> None:
        page = self.page
        assert page.title
        assert not page.under or pages()[page.under].place is not None
        assert page.place is None or not page.address.endswith("*"), "an entry needs an address that is complete"

    @pytest.mark.parametrize("filled", [True, False], ids=["data", "no-data"])
    def test_parts_belong_to_the_skeleton(self, filled: bool) -> None:
        found = set(_ids(encoded({"page": {"children": self.page.skeleton(self.query())}})))
        parts = self.parts(toy_snapshot(filled))
        live = {i for i in _ids(encoded(parts)) if i}
        assert set(parts) <= found | live, "a part has an id that is nowhere on the page"
        assert not found & _SHELL_IDS, "an id of the dashboard's own frame is used"

    @pytest.mark.parametrize("colours", THEMES)
    @pytest.mark.parametrize("filled", [True, False], ids=["data", "no-data"])
    def test_parts_can_be_sent_in_every_theme(self, filled: bool, colours: str) -> None:
        assert encode(self.parts(toy_snapshot(filled), colours)).plain

    def test_equal_data_give_equal_answers(self) -> None:
        snapshot = toy_snapshot()
        assert encode(self.parts(snapshot)).tag == encode(self.parts(snapshot)).tag

    def test_parameters_of_an_address_are_not_trusted(self) -> None:
        strange = {"q": NASTY, "page": "-1", "sort": "no", "state": "no", "model": NASTY, "window": "no", "from": "x"}
        assert encode(self.parts(toy_snapshot(), **strange)).plain


def encoded(parts: Mapping[str, Mapping[str, Any]]) -> Any:
    """Parts as the browser gets them, as plain JSON values."""
    return orjson.loads(encode(parts).plain)


def _ids(node: Any) -> list[str]:
    """Every ``id`` of a tree of components."""
    if isinstance(node, list):
        return [i for child in node for i in _ids(child)]
    if not isinstance(node, dict):
        return []
    own = [str(node["props"]["id"])] if isinstance(node.get("props"), dict) and "id" in node["props"] else []
    return [*own, *(i for child in node.values() for i in _ids(child))]


def _alert(series: str, state: AlertState) -> Alert:
    return Alert(
        id=incident_id(series, "m", NOW), series=series, state=state, start=NOW, end=NOW + 60_000, detected_at=NOW,
        score=9.0, threshold=3.0, severity=80, severity_word=severity_level(80), points=2, imputed=0,
        values={"value": 12.0}, expected={"value": 4.0}, lower={"value": 2.0}, upper={"value": 6.0},
        attribution={"value": 1.0}, model={"name": "m", "version": 3, "sha256": "ab" * 32}, detector="zscore",
    )  # fmt: skip
