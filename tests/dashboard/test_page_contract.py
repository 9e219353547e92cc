"""Check the contract of every page that Eddy ships."""

from __future__ import annotations

from eddy.alert import incident_id
from eddy.dashboard.pages.catalog import DASHBOARD_PAGES
from eddy.testing.pages import NOW, PageContract


class TestOverview(PageContract):
    name = "overview"


class TestSeriesList(PageContract):
    name = "series-list"


class TestSeries(PageContract):
    name = "series"


class TestIncidents(PageContract):
    name = "incidents"


class TestIncident(PageContract):
    name = "incident"
    subject = incident_id("pump-1", "m", NOW)


class TestIncidentThatIsNotKnown(PageContract):
    name = "incident"
    subject = "no-such-incident"


class TestModels(PageContract):
    name = "models"


class TestDeadLetters(PageContract):
    name = "dead-letters"


class TestSources(PageContract):
    name = "sources"


def test_every_shipped_page_is_checked() -> None:
    checked = {one.name for one in globals().values() if isinstance(one, type) and hasattr(one, "name")}
    assert checked == set(DASHBOARD_PAGES.shipped)
